"""The abstract model of backups, restores and drills: queue entry, claim, heartbeat, progress, end."""

import uuid
from collections.abc import Callable, Collection, Mapping
from datetime import timedelta
from typing import Any, ClassVar, Self, TypeVar

from django.db import Error as DatabaseProblem
from django.db import connection, models
from django.db.models.base import ModelState
from django.db.models.functions import Now
from django.utils import timezone

from backups.models.columns import HookNote, Json, TimelineEntry
from backups.models.querysets import RunQuerySet

AnyModel = TypeVar("AnyModel", bound=models.Model)
LONGEST_COMMENT = 500


def new_id() -> str:
    return str(uuid.uuid4())


def row_of(model: type[AnyModel], db: str | None, names: Collection[str], values: Collection[Any]) -> AnyModel:
    """Return the object of a row: what `Model.from_db` is to return, without a loop over columns that were not read.

    A page reads a thousand rows of some of their fifty columns, and that loop took a fifth of its time. The signals
    pre_init and post_init are not sent.
    """
    found = model.__new__(model)
    found._state = ModelState()
    found._state.db, found._state.adding = db, False
    vars(found).update(zip(names, values, strict=True))
    return found


class Run(models.Model):
    """One run. The row holds its whole state; a queue message only carries its id."""

    class Status(models.TextChoices):
        QUEUED = "queued"
        RUNNING = "running"
        COMPLETED = "completed"
        FAILED = "failed"
        CANCELLED = "cancelled"
        INTERRUPTED = "interrupted"

    class Owner(models.TextChoices):
        """Who may claim it while it is queued."""

        QUEUE = "queue"
        PROCESS = "process"

    ACTIVE: ClassVar[tuple[Status, ...]] = (Status.QUEUED, Status.RUNNING)
    UNSUCCESSFUL: ClassVar[tuple[Status, ...]] = (Status.FAILED, Status.CANCELLED, Status.INTERRUPTED)
    # names the kind in tasks, slots, child processes and log fields
    noun: ClassVar[str]
    # True: no other run of a kind that needs the instance may run on it at the same time
    needs_instance: ClassVar[bool] = True
    # one that waits too long for a worker is ended: `RunKind.expired`
    may_expire: ClassVar[bool] = False
    # each kind of run has stages of its own
    stage: "models.CharField[Any, str]"
    # progress in percent at the begin and at the end of each stage
    shares: ClassVar[Mapping[str, tuple[int, int]]]
    get_stage_display: Callable[[], str]

    id = models.TextField(primary_key=True, default=new_id, editable=False)
    instance = models.CharField(max_length=64)
    status = models.CharField(max_length=16, choices=Status, default=Status.QUEUED)
    triggered_by = models.CharField(max_length=150)
    comment = models.CharField(max_length=LONGEST_COMMENT, blank=True)

    created_at = models.DateTimeField(db_default=Now(), default=timezone.now)
    started_at = models.DateTimeField(null=True, blank=True)
    completed_at = models.DateTimeField(null=True, blank=True)
    reserved_at = models.DateTimeField(null=True, blank=True, help_text="when a process last reserved it to start it")
    reserved_by = models.CharField(
        max_length=128, blank=True, db_default="", help_text="identity of the process that reserved it"
    )
    heartbeat_at = models.DateTimeField(
        null=True, blank=True, help_text="when the process that runs it last wrote its heartbeat"
    )
    rang_at = models.DateTimeField(null=True, blank=True, help_text="when a message for it was last sent to the queue")
    cancel_requested_at = models.DateTimeField(null=True, blank=True)
    cancel_requested_by = models.CharField(max_length=150, blank=True)
    owner = models.CharField(
        max_length=8,
        choices=Owner,
        default=Owner.QUEUE,
        db_default=Owner.QUEUE.value,
        help_text="queue: any worker may claim it; process: only the process that made it",
    )
    worker = models.CharField(
        max_length=255, blank=True, help_text="host:pid of the process that runs it, or is about to"
    )
    process = models.CharField(
        max_length=128,
        blank=True,
        db_default="",
        help_text="identity of the process that runs it, or that created it for itself",
    )

    progress_bytes = models.BigIntegerField(default=0)
    progress_percent = models.PositiveSmallIntegerField(default=0)
    timeline: "Json[list[TimelineEntry]]" = models.JSONField(
        default=list, blank=True, help_text="[stage, time] in the order in which they began"
    )
    warnings: "Json[list[str]]" = models.JSONField(default=list, blank=True)
    hook_output: "Json[list[HookNote]]" = models.JSONField(
        default=list, blank=True, help_text="output of the hooks with secrets redacted"
    )
    error_message = models.TextField(blank=True)
    error_hint = models.TextField(blank=True)

    objects = RunQuerySet.as_manager()

    # changes that the database did not take: they are written together with the end of the run
    unwritten: dict[str, Any] | None = None
    # set by the process that runs it, so that `RunKind.settle` is called once
    settled = False

    class Meta:
        abstract = True

    @classmethod
    def from_db(  # type: ignore[override]  # the stubs are of a later Django
        cls, db: str | None, field_names: Collection[str], values: Collection[Any]
    ) -> Self:
        return row_of(cls, db, field_names, values)

    @property
    def label(self) -> str:
        """The name of the kind in log events and on pages; `noun` unless a kind has variants."""
        return self.noun

    @property
    def log_key(self) -> dict[str, object]:
        """The field that identifies the run in log lines: ``backup=``, ``restore=`` or ``drill=``."""
        return {self.noun: self.pk}

    def log_fields(self) -> dict[str, object]:
        """Return further fields for the log line about the end of the run."""
        return {"archive": str(self)}

    @property
    def is_part_of_another(self) -> bool:
        """True for a step of another run on the same instance, such as the safety backup of a restore."""
        return False

    @property
    def is_active(self) -> bool:
        return self.status in self.ACTIVE

    @property
    def duration(self) -> timedelta | None:
        """From start to end, or until now while it runs; None before it started."""
        if self.started_at is None:
            return None
        return (self.completed_at or timezone.now()) - self.started_at

    def transition(self, from_status: Status, *conditions: models.Q, **changes: Any) -> bool:
        """Update the row by a conditional UPDATE: only if it has `from_status` and meets `conditions`.

        False when another process changed it first; the fields of the object are then unchanged too.
        """
        rows = type(self).objects.filter(*conditions, pk=self.pk, status=from_status)
        updated = rows.update(**changes)
        if updated:
            for field, value in changes.items():
                setattr(self, field, value)
        return bool(updated)

    def update_running(self, **changes: Any) -> None:
        """Update the running row, or keep the changes in memory, in `unwritten`, when the database fails."""
        for field, value in changes.items():
            setattr(self, field, value)
        # no further attempt after the first failure: each may take as long as the database's lock timeout
        if self.unwritten:
            self.unwritten |= changes
            return
        try:
            self.transition(self.Status.RUNNING, **changes)
        except DatabaseProblem:
            self.unwritten = changes
            connection.close_if_unusable_or_obsolete()
