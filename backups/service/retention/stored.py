"""The archives at a destination: what its rule decides about, and what keeps it from being moved."""

from django.db.models import Exists, OuterRef, Q, QuerySet

from backups.models import BackupCopy, BackupExecution, BackupSchedule
from backups.service.schedules.freshness import at_destination
from destinations.lib.formats import counted
from destinations.models import BackupDestination

# of the backup: its manifest would fill the memory
COLUMNS = (
    "instance", "kind", "status", "backup_filename", "created_at", "started_at", "completed_at", "verified_at",
    "pinned", "pin_reason", "adopted", "drill", "verification", "drops", "drop_confirmed_at", "missing_at",
    "damaged_at", "deleting_at", "deleted_at", "copies_state", "manifest_date", "compressed_size_bytes",
)  # fmt: skip


def copies_at(destination: BackupDestination) -> "QuerySet[BackupCopy]":
    """Return the stored copies of completed backups at `destination`, missing ones too, each with its backup."""
    return with_backups(BackupCopy.objects.stored().filter(destination=destination, execution__status="completed"))


def with_backups(rows: "QuerySet[BackupCopy]") -> "QuerySet[BackupCopy]":
    """Join the backups of copies, without their large columns, and their destinations."""
    columns = (f"execution__{column}" for column in COLUMNS)
    own = [field.name for field in BackupCopy._meta.concrete_fields if field.name not in ("upload_state", "execution")]
    return rows.select_related("execution", "destination").only(*own, "destination__name", *columns)


def archives_at(destination: BackupDestination) -> int:
    """Return how many archives are at `destination`, or are being uploaded."""
    rows = BackupCopy.objects.filter(destination=destination.pk)
    stored = Q(state=BackupCopy.State.STORED, missing_at=None)
    under_way = Q(state__in=[BackupCopy.State.WAITING, BackupCopy.State.UPLOADING])
    running = under_way & Q(execution__status=BackupExecution.Status.RUNNING)
    return rows.filter(stored | running).count()


def uses_of(destination: BackupDestination) -> list[str]:
    """Return what needs `destination`, as "2 schedules": deleted archives and failed backups do not.

    An interrupted backup does while its archive may be there: it is completed when it is.
    """
    copies, status = BackupCopy.objects.filter(destination=destination), BackupExecution.Status
    # three queries: no index would find what is one or the other
    held = copies.exclude(state=BackupCopy.State.DELETED).filter(execution__status=status.COMPLETED)
    unsettled = copies.exclude(planned_path="").filter(execution__status=status.INTERRUPTED)
    here = Q(destination=destination) | Exists(copies.filter(execution=OuterRef("pk")))
    active = BackupExecution.objects.active().filter(here)
    backups = held.count() + unsettled.count() + active.count()
    schedules = BackupSchedule.objects.whole().filter(at_destination(destination)).count()
    return [counted(count, noun) for count, noun in ((schedules, "schedule"), (backups, "backup")) if count]
