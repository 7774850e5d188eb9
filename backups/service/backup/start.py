"""Starting a backup: the row is created and queued."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import IntegrityError, transaction

from backups.errors import BackupError
from backups.instances import get_instance
from backups.lib import audit
from backups.models import BackupExecution, BackupSchedule
from backups.runs.queue.deduplication import AlreadyWaiting, create_once
from backups.runs.queue.ownership import process_owner_fields
from backups.service.archives.records.copies import Destinations, in_order, lock, plan_copies, plan_first_copies
from destinations.models import BackupDestination

Kind, Status = BackupExecution.Kind, BackupExecution.Status


@dataclass(frozen=True, slots=True)
class Slot:
    """The schedule, scheduled time and attempt of a backup; no time when a person started it."""

    schedule: BackupSchedule
    scheduled_for: datetime | None
    attempt: int


@dataclass(frozen=True, slots=True)
class Due:
    """A slot that is to be started, and the comment of its backup."""

    slot: Slot
    comment: str


def start_backup(
    instance: str,
    destination: Destinations,
    *,
    by: audit.Actor,
    kind: BackupExecution.Kind = Kind.MANUAL,
    comment: str = "",
    slot: Slot | None = None,
    pin_reason: str = "",
    run_id: str = "",
) -> BackupExecution:
    """Create the queued row of a backup to one `destination`, or to several in order; a worker or `run_backup` runs it.

    With a `run_id` it is reserved by this process, which holds the workspace of that id, and no worker claims it.

    Raises AlreadyWaiting when another manual backup of the same instance to the same (first) destination is queued
    already; that one gets the further destinations. Raises IntegrityError when the `slot` has a backup already,
    InstanceError (unknown instance, or one with configuration errors) or BackupError (disabled destination); the last
    two are logged.
    """
    destinations = in_order(destination)
    names = ", ".join(one.name for one in destinations)
    _require_possible(instance, destinations, kind, by)
    backup = BackupExecution(
        instance=instance,
        destination=destinations[0],
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
    waits = {"instance": instance, "destination": destinations[0], "kind": Kind.MANUAL}
    once = kind == Kind.MANUAL and not run_id
    already: AlreadyWaiting | None = None
    with transaction.atomic():
        try:
            create_once(backup, waits if once else {}, what=f"backup of {instance} to {destinations[0].name}", by=by)
        except AlreadyWaiting as waiting:
            already, run = waiting, waiting.run
            # locked: a worker that claims it reads its copies afterwards
            if (row := lock(run.pk)).status == Status.QUEUED:
                plan_copies(row, destinations)
        else:
            plan_copies(backup, destinations)
    if already is not None:
        raise already
    _log_queued(backup, destinations)
    audit.note(by, backup, f"Started a {kind} backup of {instance} to {names}.")
    return backup


def start_scheduled(due: Sequence[Due]) -> tuple[list[BackupExecution], list[tuple[Due, BackupError]]]:
    """Do what `start_backup` does for many slots, in few queries, in the caller's transaction.

    Return the queued backups, and the slots that were refused, each with its error. A slot that has a backup already is
    left out, and logged: another process has started it.
    """
    possible: list[tuple[BackupExecution, list[BackupDestination]]] = []
    refused: list[tuple[Due, BackupError]] = []
    for one in due:
        schedule, by = one.slot.schedule, f"schedule {one.slot.schedule.name}"[:150]
        destinations = in_order(schedule.destinations)
        try:
            _require_possible(schedule.instance, destinations, Kind.SCHEDULED, by)
        except BackupError as error:
            refused.append((one, error))
            continue
        backup = BackupExecution(
            instance=schedule.instance,
            destination=destinations[0],
            kind=Kind.SCHEDULED,
            triggered_by=by,
            comment=one.comment,
            schedule=schedule,
            scheduled_for=one.slot.scheduled_for,
            attempt=one.slot.attempt,
        )
        possible.append((backup, destinations))
    try:
        with transaction.atomic():
            BackupExecution.objects.bulk_create(backup for backup, _ in possible)
    except IntegrityError:
        # one of them, for which the constraint on slot and attempt is: it must not take the others with it
        possible = [(backup, destinations) for backup, destinations in possible if _insert(backup)]
    plan_first_copies(possible)
    for backup, destinations in possible:
        _log_queued(backup, destinations)
    return [backup for backup, _ in possible], refused


def _insert(backup: BackupExecution) -> bool:
    try:
        with transaction.atomic():
            backup.save(force_insert=True)
    except IntegrityError:
        audit.log("schedule.slot-taken", schedule=backup.schedule, slot=backup.scheduled_for)
        return False
    return True


def _log_queued(backup: BackupExecution, destinations: Sequence[BackupDestination]) -> None:
    names = ", ".join(one.name for one in destinations)
    audit.log(
        "backup.queued", backup=backup.pk, instance=backup.instance, destination=names,
        kind=backup.kind, by=backup.triggered_by,
    )  # fmt: skip


def _require_possible(
    instance: str, destinations: Sequence[BackupDestination], kind: BackupExecution.Kind, by: audit.Actor
) -> None:
    """Raise BackupError for an instance that is not described, and for destinations that are disabled; it is logged."""
    try:
        get_instance(instance)
        _require_usable(destinations, kind)
    except BackupError as error:
        audit.log(
            "backup.refused", logging.WARNING, instance=instance, destination=", ".join(map(str, destinations)),
            by=audit.name_of(by), error=error.message,
        )  # fmt: skip
        for one in destinations:
            audit.note(by, one, f"Backup of {instance} refused: {error.message}")
        raise


def _require_usable(destinations: Sequence[BackupDestination], kind: BackupExecution.Kind) -> None:
    """Raise BackupError for a disabled destination that a person named, and when no destination is enabled."""
    if not destinations:
        raise BackupError("No destination is named.", hint="Name at least one.")
    enabled = [one for one in destinations if one.enabled]
    for one in destinations:
        # what runs by itself goes to those that are left: the copy at the disabled one is recorded as missing
        if kind == Kind.MANUAL or not enabled:
            require_enabled(one)


def require_enabled(destination: BackupDestination) -> None:
    if not destination.enabled:
        raise BackupError(f"Destination {destination.name} is disabled.", hint="Enable it, or choose another one.")
