"""The copies of a backup: each change of one is recorded here, and repeated in the row of the backup.

That row names one copy, its first one: the one that it named before while it is sound, else the first sound one in the
order of the request. So what asks for the archive of a backup finds one as long as there is one.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import PurePosixPath

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from backups.models import BackupCopy, BackupExecution
from backups.service.archives.untrusted import report_untrusted
from destinations.exceptions import DestinationConfigError
from destinations.lib.operator_error import OperatorError
from destinations.models import BackupDestination

State, Status, CopiesState = BackupCopy.State, BackupExecution.Status, BackupExecution.CopiesState
# after the first, second, ... failure; the last one from then on
RETRY_AFTER = (timedelta(minutes=5), timedelta(minutes=30), timedelta(hours=2), timedelta(hours=6), timedelta(hours=12))
# the columns of a backup that repeat what its copies say
REPEATED = (
    "destination", "backup_path", "backup_filename", "compressed_size_bytes", "archive_sha256", "archive_blake2b",
    "encryption", "recipients", "copies_state", "missing_at", "damaged_at", "deleted_at", "deleted_by",
    "deleted_reason",
)  # fmt: skip
Destinations = BackupDestination | Sequence[BackupDestination]


def in_order(destinations: Destinations) -> list[BackupDestination]:
    """Return the destinations once each, in their order."""
    several = [destinations] if isinstance(destinations, BackupDestination) else destinations
    return list({destination.pk: destination for destination in several}.values())


def plan_copies(backup: BackupExecution, destinations: Iterable[BackupDestination]) -> list[BackupCopy]:
    """Insert a waiting copy for each of `destinations` that has none yet; return the new ones."""
    known = dict(backup.copies.values_list("destination", "position"))
    new = [destination for destination in destinations if destination.pk not in known]
    begin = max(known.values(), default=-1) + 1
    return BackupCopy.objects.bulk_create(
        BackupCopy(execution=backup, destination=destination, position=begin + number)
        for number, destination in enumerate(new)
    )


def plan_first_copies(backups: Iterable[tuple[BackupExecution, Sequence[BackupDestination]]]) -> None:
    """Insert a waiting copy of each of the new `backups` for each of its destinations, all in one go."""
    BackupCopy.objects.bulk_create(
        BackupCopy(execution=backup, destination=destination, position=number)
        for backup, destinations in backups
        for number, destination in enumerate(destinations)
    )


def copies_of(backup: BackupExecution) -> list[BackupCopy]:
    """Return the copies of `backup` with their destinations, in order."""
    return list(backup.copies.select_related("destination"))


def readable_copies(backup: BackupExecution) -> list[BackupCopy]:
    """Return the copies of `backup` that may be read, the nearest sound one first; damaged ones come last.

    Local folders come before what is elsewhere, then the order of the destinations counts.
    """
    stored = [copy for copy in copies_of(backup) if copy.is_stored and copy.missing_at is None]
    return sorted(
        stored,
        key=lambda copy: (not copy.is_sound, is_off_box(copy.destination), copy.destination.position, copy.position),
    )


def is_off_box(destination: BackupDestination) -> bool:
    """True where archives leave this machine, not for a server that runs here; also for a type that is unknown here."""
    try:
        return destination.leaves_this_machine
    except DestinationConfigError:
        return True


def unused_names(names: Iterable[str], destination: BackupDestination, *, but: BackupCopy | None) -> Iterator[str]:
    """Yield those of `names` that no archive at `destination` is recorded under, other than that of the copy `but`.

    The file of a recorded one may be missing there, so that the destination itself would take the name.
    """
    others = destination.copies.exclude(pk=but.pk) if but is not None else destination.copies
    # with the condition of the unique index
    recorded = others.exclude(path="").exclude(state=State.DELETED)
    for name in names:
        if not recorded.filter(path=name).exists():
            yield name


def record_only_copy(backup: BackupExecution, *, verified_by: str) -> None:
    """Record the archive that the row of the completed `backup` names as its copy there."""
    values = {
        "state": State.STORED,
        "path": backup.backup_path,
        "planned_path": "",
        "size_bytes": backup.compressed_size_bytes,
        "sha256": backup.archive_sha256,
        "blake2b": backup.archive_blake2b,
        "encryption": backup.encryption,
        "recipients": backup.recipients,
        "verified_at": backup.verified_at or backup.completed_at,
        "verified_by": verified_by,
        "missing_at": None,
        "damaged_at": None,
        "error": "",
        "error_hint": "",
        "attempts": 0,
        "next_try_at": None,
        "look_again_at": None,
        "upload_state": None,
        "stored_at": backup.completed_at,
    }
    BackupCopy.objects.update_or_create(execution=backup, destination_id=backup.destination_id, defaults=values)
    mirror(backup)


def record_failed(copy: BackupCopy, error: OperatorError, *, retry: bool = True, left: bool = False) -> None:
    """Record why the archive of `copy` is not at its destination; with `retry` it is tried again later.

    With `left` the upload may have left something at its planned path, which `settle_uploads` looks for.

    One that another process has stored since `copy` was read stays stored.
    """
    attempts = copy.attempts + 1
    report_untrusted(copy, error)
    change_copy(
        copy,
        not_stored_since(copy),
        state=State.FAILED,
        path="",
        error=error.message,
        error_hint=error.hint,
        attempts=attempts,
        next_try_at=next_try(attempts) if retry else None,
        **({} if left else {"planned_path": ""}),
    )


def not_stored_since(copy: BackupCopy) -> Q:
    """Return the condition that no other process has stored the archive of `copy` since that was read."""
    return Q() if copy.is_stored else ~Q(state=State.STORED)


def close_copies(backup: BackupExecution) -> None:
    """Record with the unfinished copies of a `backup` that did not complete why it did not."""
    open_ones = backup.copies.filter(state__in=[State.WAITING, State.UPLOADING, State.FAILED])
    open_ones.filter(error="").update(error=backup.error_message, error_hint=backup.error_hint)
    # the planned path stays: `settle_uploads` looks there
    open_ones.update(state=State.FAILED, next_try_at=None)


def next_try(attempts: int) -> datetime:
    """Return when a copy is tried again after so many failures."""
    return timezone.now() + RETRY_AFTER[min(attempts, len(RETRY_AFTER)) - 1]


def change_copy(copy: BackupCopy, *conditions: Q, **changes: object) -> bool:
    """Change the row of `copy` when it meets `conditions`, and then that of its backup; False when it does not."""
    with transaction.atomic():
        # the row of the backup is locked first, here and in `mirror`: two copies may change at once
        backup = lock(copy.execution_id)
        if not BackupCopy.objects.filter(*conditions, pk=copy.pk).update(**changes):
            return False
        mirror(backup)
    for field, value in changes.items():
        setattr(copy, field, value)
    return True


def lock(backup_id: str) -> BackupExecution:
    """Lock the row of the backup until the transaction ends, and return it without its large columns."""
    return BackupExecution.objects.select_for_update().without_manifest().get(pk=backup_id)


def mirror(backup: BackupExecution) -> None:
    """Write to the row of the completed `backup` what its copies say; call it after each change of one."""
    copies = copies_of(backup)
    stored = [copy for copy in copies if copy.is_stored]
    sound = [copy for copy in stored if copy.is_sound]
    changes: dict[str, object] = {"copies_state": copies_state(copies)}
    # one that is damaged is still there, and to be repaired; of one that is missing only the row is left
    rest = sorted(stored, key=lambda copy: copy.missing_at is not None)
    candidates = sound or rest
    if candidates:
        first = next((copy for copy in candidates if copy.destination_id == backup.destination_id), candidates[0])
        changes |= mirrored(first) | {"deleted_at": None}
    else:
        deleted = [copy for copy in copies if copy.state == State.DELETED]
        # the last one that went says why there is none any more
        last = max(deleted, key=lambda copy: (copy.deleted_at is not None, copy.deleted_at), default=None)
        if last is not None and last.deleted_at is not None:
            changes |= {
                "deleted_at": last.deleted_at, "deleted_by": last.deleted_by, "deleted_reason": last.deleted_reason,
            }  # fmt: skip
    backup.transition(Status.COMPLETED, **changes)


def mirrored(copy: BackupCopy) -> dict[str, object]:
    """Return the columns in which the row of a backup repeats the stored `copy`."""
    return {
        "destination": copy.destination,
        "backup_path": copy.path,
        "backup_filename": PurePosixPath(copy.path).name,
        "compressed_size_bytes": copy.size_bytes,
        "archive_sha256": copy.sha256,
        "archive_blake2b": copy.blake2b,
        "encryption": copy.encryption,
        "recipients": copy.recipients,
        "missing_at": copy.missing_at,
        "damaged_at": copy.damaged_at if copy.missing_at is None else None,
    }


def copies_state(copies: Sequence[BackupCopy]) -> BackupExecution.CopiesState:
    """Return whether every copy that was asked for, and not deleted since, is sound."""
    wanted = [copy for copy in copies if copy.state != State.DELETED]
    if not wanted:
        return CopiesState.NONE
    return CopiesState.ALL if all(copy.is_sound for copy in wanted) else CopiesState.MISSING


def seen_at(copy: BackupCopy) -> BackupExecution:
    """Return the backup of `copy` with the values that this copy has; only for reading, never to be saved."""
    backup = copy.execution
    for column, value in mirrored(copy).items():
        setattr(backup, column, value)
    return backup
