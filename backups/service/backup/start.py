"""Starting a backup: the row is created and queued."""

import logging
from dataclasses import dataclass
from datetime import datetime

from backups.errors import BackupError
from backups.instances import get_instance
from backups.lib import audit
from backups.models import BackupExecution, BackupSchedule
from backups.runs.queue.deduplication import create_once
from backups.runs.queue.ownership import process_owner_fields
from destinations.models import BackupDestination

Kind = BackupExecution.Kind


@dataclass(frozen=True, slots=True)
class Slot:
    """The schedule, scheduled time and attempt of a backup; no time when a person started it."""

    schedule: BackupSchedule
    scheduled_for: datetime | None
    attempt: int


def start_backup(
    instance: str,
    destination: BackupDestination,
    *,
    by: audit.Actor,
    kind: BackupExecution.Kind = Kind.MANUAL,
    comment: str = "",
    slot: Slot | None = None,
    pin_reason: str = "",
    run_id: str = "",
) -> BackupExecution:
    """Create the queued row of a backup; `run_backup` or a worker runs it.

    With a `run_id` it is reserved by this process, which holds the workspace of that id, and no worker claims it.

    Raises AlreadyWaiting when another manual backup of the same instance and destination is queued already,
    IntegrityError when the `slot` has a backup already, InstanceError (unknown instance, or one with configuration
    errors) or BackupError (disabled destination); the last two are logged.
    """
    try:
        get_instance(instance)
        require_enabled(destination)
    except BackupError as error:
        audit.log(
            "backup.refused", logging.WARNING, instance=instance, destination=destination.name,
            by=audit.name_of(by), error=error.message,
        )  # fmt: skip
        audit.note(by, destination, f"Backup of {instance} refused: {error.message}")
        raise
    backup = BackupExecution(
        instance=instance,
        destination=destination,
        kind=kind,
        triggered_by=audit.name_of(by),
        comment=comment,
        schedule=slot.schedule if slot else None,
        scheduled_for=slot.scheduled_for if slot else None,
        attempt=slot.attempt if slot else 1,
        pinned=bool(pin_reason),
        pin_reason=pin_reason,
        **process_owner_fields(run_id),
    )
    # scheduled ones are kept unique by a constraint on their slot, safety backups belong to their restore
    waits = {"instance": instance, "destination": destination, "kind": Kind.MANUAL}
    once = kind == Kind.MANUAL and not run_id
    create_once(backup, waits if once else {}, what=f"backup of {instance} to {destination.name}", by=by)
    audit.log(
        "backup.queued", backup=backup.pk, instance=instance, destination=destination.name,
        kind=kind, by=backup.triggered_by,
    )  # fmt: skip
    audit.note(by, backup, f"Started a {kind} backup of {instance} to {destination.name}.")
    return backup


def require_enabled(destination: BackupDestination) -> None:
    if not destination.enabled:
        raise BackupError(f"Destination {destination.name} is disabled.", hint="Enable it, or choose another one.")
