"""Typed QuerySets of the models, with the conditions that more than one module needs.

A condition that depends on a setting or on the clock belongs to the service that uses it.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Self, TypeVar

from django.db import models
from django.db.models import Q

if TYPE_CHECKING:
    from backups.models.backup import BackupExecution
    from backups.models.copy import BackupCopy
    from backups.models.copying import CopyExecution
    from backups.models.instance_state import InstanceState
    from backups.models.run import Run
    from backups.models.schedule import BackupSchedule
    from destinations.models import BackupDestination

# Partial indexes use these too: a database uses such an index only for a query with the same condition.
# The values are literals because the enumerations are nested in the models, which import this module.
STORED = Q(status="completed", deleted_at=None, missing_at=None)
MISSING = Q(status="completed", deleted_at=None, missing_at__isnull=False)
# no copy is sound any more, and one that was changed is still there
DAMAGED = Q(status="completed", deleted_at=None, missing_at=None, damaged_at__isnull=False)
DELETED = Q(deleted_at__isnull=False)
DRILLED = Q(drill__isnull=False)
MADE_HERE = Q(status="completed", adopted=False) & ~Q(kind="safety")
OPEN_DROP = Q(drops__isnull=False, drop_confirmed_at__isnull=True)
FLAWLESS = (
    Q(damaged_at=None)
    & (Q(drill__isnull=True) | Q(drill__verdict="passed"))
    & (Q(verification__isnull=True) | Q(verification__verdict="passed"))
)
LACKS_A_COPY = Q(status="completed", deleted_at=None, missing_at=None, damaged_at=None, copies_state="missing")
# a copy that is recorded sets the state of all of them
WITHOUT_COPIES = Q(status="completed", deleted_at=None, copies_state="")
STORED_COPY = Q(state="stored")
SOUND_COPY = Q(state="stored", missing_at=None, damaged_at=None)
FOR_WORKERS = Q(status="queued", owner="queue")
# they can hold megabytes, and no list shows them
LARGE_COLUMNS = ("manifest_json", "config_json")

# so many names are not worth a condition
MANY = 50

AnyRun = TypeVar("AnyRun", bound="Run", covariant=True)


class RunQuerySet(models.QuerySet[AnyRun]):
    # of a restore or a drill, whose backup holds the large columns
    large_columns: ClassVar[tuple[str, ...]] = tuple(f"execution__{column}" for column in LARGE_COLUMNS)

    def queued(self) -> Self:
        return self.filter(status=self.model.Status.QUEUED)

    def for_workers(self) -> Self:
        """Return the queued runs that any worker may claim; the others belong to the process that created them."""
        return self.filter(FOR_WORKERS)

    def running(self) -> Self:
        return self.filter(status=self.model.Status.RUNNING)

    def active(self) -> Self:
        """Return the queued and the running ones."""
        return self.filter(status__in=self.model.ACTIVE)

    def completed(self) -> Self:
        return self.filter(status=self.model.Status.COMPLETED)

    def of_instance(self, name: str) -> Self:
        return self.filter(instance=name)

    def newest_first(self) -> Self:
        return self.order_by("-created_at", "-pk")

    def without_manifest(self) -> Self:
        """Defer the manifest and the configuration of the backup."""
        return self.defer(*self.large_columns)


class BackupQuerySet(RunQuerySet["BackupExecution"]):
    large_columns = LARGE_COLUMNS

    def stored(self) -> Self:
        """Return those whose archive is at its destination according to the rows."""
        return self.filter(STORED)

    def missing(self) -> Self:
        """Return those whose archive is gone from the destination although this site did not delete it."""
        return self.filter(MISSING)

    def damaged(self) -> Self:
        """Return those without a sound copy, of which a changed one is still there."""
        return self.filter(DAMAGED)

    def at_destination(self, destination: "BackupDestination | str", copies: "CopyQuerySet") -> Self:
        """Those whose first copy is of `destination`, and those that have one of `copies` there."""
        # an index for each side: with EXISTS, the copies of every backup would be looked at
        there = copies.filter(destination=destination)
        return self.filter(Q(destination=destination) | Q(pk__in=there.values("execution")))

    def good(self) -> Self:
        """Return the stored ones that have a sound copy, are not being deleted, and that no drill or verification
        found to be bad.
        """
        return self.filter(STORED, FLAWLESS, deleting_at=None)

    def without_copies(self) -> Self:
        """Return the completed ones with an archive of which no copy is recorded."""
        # one that an upgrade inserted for a backup, which a process without copies completed, waits for ever
        return self.filter(WITHOUT_COPIES).exclude(copies__state__in=["stored", "deleted"])

    def with_open_drop(self) -> Self:
        """Return those that lack data of the backup before them, with the drop not yet confirmed."""
        return self.filter(OPEN_DROP)

    def without_open_drop(self) -> Self:
        return self.exclude(OPEN_DROP)

    def without_safety(self) -> Self:
        """Leave out safety backups: each is of a state that a restore was to replace."""
        return self.exclude(kind=self.model.Kind.SAFETY)

    def made_here(self) -> Self:
        """Return the completed backups that this site made: no adopted ones and no safety backups."""
        return self.filter(MADE_HERE)

    def last_made_here(self, instance: str) -> "BackupExecution | None":
        """Return the newest of the backups `made_here` of `instance`, with its destination."""
        return self.of_instance(instance).made_here().select_related("destination").order_by("-started_at").first()


class CopyQuerySet(models.QuerySet["BackupCopy"]):
    def stored(self) -> Self:
        """Return those whose archive was stored and not deleted since, missing and damaged ones too."""
        return self.filter(STORED_COPY)

    def sound(self) -> Self:
        """Return the stored ones that were not found missing or damaged."""
        return self.filter(SOUND_COPY)


class CopyingQuerySet(RunQuerySet["CopyExecution"]):
    large_columns = tuple(f"copy__execution__{column}" for column in LARGE_COLUMNS)


class ScheduleQuerySet(models.QuerySet["BackupSchedule"]):
    def enabled(self) -> Self:
        return self.filter(enabled=True)

    def whole(self) -> Self:
        """Return what a person knows as a schedule: each once, however many instances it covers."""
        return self.filter(parent=None)

    def of_one_instance(self) -> Self:
        """Return the rows that have slots: the schedules of one instance, and the parts of the others."""
        return self.filter(scope="instance")


class InstanceStateQuerySet(models.QuerySet["InstanceState"]):
    def of_instances(self, names: Sequence[str]) -> Self:
        """Return the rows of `names`; of many, all rows: there is one an instance, and naming them costs more."""
        return self.all() if len(names) > MANY else self.filter(instance__in=names)

    def restart_required(self) -> Self:
        """Return the instances whose service has to be restarted after a restore."""
        return self.filter(restart_required_since__isnull=False)
