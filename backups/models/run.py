"""What every run has, of a backup, a restore or a drill: queue entry, claim, heartbeat, progress, end."""

import uuid
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, ClassVar

from django.db import Error as DatabaseProblem
from django.db import connection, models
from django.db.models.functions import Now
from django.utils import timezone

from backups.models.columns import HookNote, Json, TimelineEntry
from backups.models.querysets import RunQuerySet

LONGEST_COMMENT = 500


def new_id() -> str:
    return str(uuid.uuid4())


class Run(models.Model):
    """The row is the truth; a queue message only carries its id."""

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
    # what its machinery is called by: task, place, process
    noun: ClassVar[str]
    # whether nothing else may run on the instance meanwhile
    needs_instance: ClassVar[bool] = True
    # each kind of run has stages of its own
    stage: "models.CharField[Any, str]"
    # of each stage: how much of the whole is done, in percent, when it begins and when it ends
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
    reserved_at = models.DateTimeField(
        null=True, blank=True, help_text="when the process that is about to start it last reserved it"
    )
    reserved_by = models.CharField(
        max_length=128, blank=True, db_default="", help_text="what tells that process from every other one"
    )
    heartbeat_at = models.DateTimeField(
        null=True, blank=True, help_text="when the process that runs it last wrote to this row"
    )
    rang_at = models.DateTimeField(null=True, blank=True, help_text="when a worker was last called for it")
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
        help_text="what tells the process that runs it, or that made it for itself, from every other one",
    )

    progress_bytes = models.BigIntegerField(default=0)
    progress_percent = models.PositiveSmallIntegerField(default=0)
    timeline: "Json[list[TimelineEntry]]" = models.JSONField(
        default=list, blank=True, help_text="[stage, time] in the order they began"
    )
    warnings: "Json[list[str]]" = models.JSONField(default=list, blank=True)
    hook_output: "Json[list[HookNote]]" = models.JSONField(
        default=list, blank=True, help_text="what hooks printed, secrets redacted"
    )
    error_message = models.TextField(blank=True)
    error_hint = models.TextField(blank=True)

    objects = RunQuerySet.as_manager()

    # changes of this run that the database could not take: they go with its end
    unwritten: dict[str, Any] | None = None
    # in the process that runs it: an error has ended it, and its kind has taken care of that
    settled = False

    class Meta:
        abstract = True

    @property
    def word(self) -> str:
        """What people and log events call it."""
        return self.noun

    def log_fields(self) -> dict[str, object]:
        """Return what the log says of its end besides."""
        return {"archive": str(self)}

    @property
    def is_part_of_another(self) -> bool:
        """True for a run that another kind of run on the same instance started, and waits for."""
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

    def moved(self, from_status: Status, *conditions: models.Q, **changes: Any) -> bool:
        """Change the row only if it still has `from_status` and meets `conditions`; False when somebody was first."""
        rows = type(self).objects.filter(*conditions, pk=self.pk, status=from_status)
        updated = rows.update(**changes)
        if updated:
            for field, value in changes.items():
                setattr(self, field, value)
        return bool(updated)

    def kept(self, **changes: Any) -> None:
        """Change the running row, for a run that goes on also where the database cannot be written.

        From the first change that it does not take, all of them stay in memory, in `unwritten`: each attempt may take
        as long as the database makes others wait.
        """
        for field, value in changes.items():
            setattr(self, field, value)
        if self.unwritten:
            self.unwritten |= changes
            return
        try:
            self.moved(self.Status.RUNNING, **changes)
        except DatabaseProblem:
            self.unwritten = changes
            connection.close_if_unusable_or_obsolete()
