"""Backing up an instance, from the wish to the record."""

import logging
import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from django.conf import settings

from backups.archive.errors import ArchiveError
from backups.archive.manifest import Manifest
from backups.archive.package import Part, write_package
from backups.components import Component
from backups.encryption import Encryption
from backups.errors import BackupError, InstanceBusy, NotQueued
from backups.instances import Instance, get_instance
from backups.interrupts import undisturbed
from backups.masking import masked
from backups.models import BackupExecution, BackupSchedule
from backups.runs import audit, finish
from backups.runs.claim import claim
from backups.runs.hooks import run_hook
from backups.runs.progress import Monitor
from backups.runs.queue.holder import owned_here
from backups.runs.queue.once import create_once
from backups.runs.workspace import require_space, workspace
from backups.service.contents import Contents, exported, manifest_of
from backups.service.drop_finding import note_drops
from backups.service.mismatch import mismatches, require_agreement
from backups.service.own_places import live_components
from backups.service.prune import prune_after
from backups.service.publish import Made, publish
from backups.service.recover import recover
from backups.service.sealing import encryption_for, prove_sealed, sealed_manifest
from backups.service.signatures import site_key
from backups.service.tree_listing import keep_exported
from destinations.exceptions import DestinationError
from destinations.models import BackupDestination

Kind, Stage, Status = BackupExecution.Kind, BackupExecution.Stage, BackupExecution.Status
SPARE_BYTES = 16 << 20


@dataclass(frozen=True, slots=True)
class Slot:
    """The time of a schedule that a backup is for, and which attempt at it; no time for one that a person started."""

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
    """Create the queued execution of a backup; `run_backup` or a worker runs it.

    With a `run_id` it is of this process, which holds the workspace of that id, and no worker takes it.

    Raises AlreadyWaiting when it is a manual one and another one for the same instance and destination waits for a
    worker, IntegrityError when the `slot` has its execution already, InstanceError (unknown or badly described
    instance) or BackupError (disabled destination); these two are logged.
    """
    try:
        get_instance(instance)
        _require_enabled(destination)
    except BackupError as error:
        audit.log(
            "backup.refused", logging.WARNING, instance=instance, destination=destination.name,
            by=audit.name_of(by), error=error.message,
        )  # fmt: skip
        audit.note(by, destination, f"Backup of {instance} refused: {error.message}")
        raise
    execution = BackupExecution(
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
        **owned_here(run_id),
    )
    waits = {"instance": instance, "destination": destination, "kind": Kind.MANUAL}
    once = kind == Kind.MANUAL and not run_id
    create_once(execution, waits if once else {}, what=f"backup of {instance} to {destination.name}", by=by)
    audit.log(
        "backup.queued", execution=execution.pk, instance=instance, destination=destination.name,
        kind=kind, by=execution.triggered_by,
    )  # fmt: skip
    audit.note(by, execution, f"Started a {kind} backup of {instance} to {destination.name}.")
    return execution


def run_backup(execution_id: str) -> BackupExecution:
    """Run a queued execution to its end, and record that end whatever it is.

    Raises InstanceBusy and leaves the execution queued when its instance is being backed up, NotQueued when it is not
    queued or is for the process that made it; after any other failure the row says why, and the error is raised again.
    Works inside a transaction too, but shows no progress there.
    """
    execution = BackupExecution.objects.select_related("destination").get(pk=execution_id)
    with workspace(execution.pk) as directory:
        ended = carry_out(execution, directory)
    if ended:
        prune_after(execution)
    return execution


def carry_out(
    execution: BackupExecution,
    directory: Path,
    *,
    parts: Sequence[Component] | None = None,
    within: Monitor | None = None,
) -> bool:
    """Claim `execution` and take it to its end in its workspace; True when it is completed. Raises as `run_backup`.

    `parts` names the components where the configuration of the instance is not to be asked, and `within` is the monitor
    of the restore that it is for.
    """
    try:
        claim(execution)
        with Monitor(execution, within) as monitor:
            _run(execution, monitor, directory, parts)
        return finish.completed(execution)
    except (InstanceBusy, NotQueued):
        raise
    except BaseException as error:
        with undisturbed():
            _settle(execution, error)
        if not isinstance(error, BackupError | ArchiveError | DestinationError):
            audit.crashed("backup.crashed", error, execution=execution.pk)
        raise


def _settle(execution: BackupExecution, error: BaseException) -> None:
    """Record how it ended. An archive that stands at its destination is a backup, whatever cut short what came after:
    the process may be told to end in the moment between the two."""
    if execution.backup_path:
        finish.completed(execution)
        return
    with suppress(DestinationError):
        if execution.planned_path and not isinstance(error, Exception):
            if recover(execution):
                return
            with execution.destination.open() as destination:
                destination.sweep(execution.pk)
    finish.failed(execution, error)


def _require_enabled(destination: BackupDestination) -> None:
    if not destination.enabled:
        raise BackupError(f"destination {destination.name} is disabled", hint="enable it, or choose another one")


def _run(execution: BackupExecution, monitor: Monitor, directory: Path, given: Sequence[Component] | None) -> None:
    monitor.stage(Stage.PREPARING)
    _require_enabled(execution.destination)
    instance = get_instance(execution.instance)
    encryption = encryption_for(execution, instance)
    site_key()  # a backup that cannot be signed at the end is not begun
    parts = live_components(instance) if given is None else given
    # of a safety backup the restore that it is for has asked already
    only = () if execution.kind == Kind.SAFETY else None
    warnings = require_agreement(mismatches(instance, parts), only=only)
    estimate = _require_room(parts, directory)

    monitor.stage(Stage.EXPORTING, total=2 * estimate)
    scratch = directory / "export"
    scratch.mkdir(mode=0o700)
    with exported(parts, scratch, monitor, as_found=execution.kind == Kind.SAFETY) as contents:
        contents.warnings[:0] = warnings
        manifest = note_drops(execution, manifest_of(contents, instance, execution))
        manifest = sealed_manifest(manifest, encryption)
        if contents.config_info:
            layers = contents.config_info.layers
            kept = {"file": masked(layers.file), "overrides": masked(layers.overrides)}
            execution.moved(Status.RUNNING, config_json=kept)

        monitor.stage(Stage.PACKING, total=manifest.total_size_bytes)
        made = _pack(contents, manifest, encryption, directory, monitor)
        unlisted = keep_exported(execution, contents.parts, contents.entries, monitor.advance)
    shutil.rmtree(scratch)
    if encryption is not None:
        prove_sealed(made.path, made.manifest, encryption, lambda _: monitor.advance(0))

    monitor.stage(Stage.UPLOADING, total=made.packed.size_bytes)
    publish(execution, made, monitor, unlisted)

    monitor.protect()
    monitor.stage(Stage.RECORDING)
    _after_backup(execution, instance)


def _after_backup(execution: BackupExecution, instance: Instance) -> None:
    """Run the hook; the backup is good whatever it says, but its failure is a warning to see."""
    try:
        run_hook("after_backup", instance, execution)
    except BackupError as error:
        execution.moved(Status.RUNNING, warnings=[*execution.warnings, error.message])


def _require_room(parts: Sequence[Component], directory: Path) -> int:
    """Return about how many bytes the export takes; raises BackupError when the workspace has not that much."""
    estimate = sum(part.source_bytes() for part in parts)
    require_space(directory, estimate + SPARE_BYTES)
    return estimate


def _pack(
    contents: Contents, manifest: Manifest, encryption: Encryption | None, directory: Path, monitor: Monitor
) -> Made:
    """Pack, compress and encrypt into one file."""
    archive = directory / "archive"
    archive.touch(mode=0o600)
    try:
        # a signal between any two steps would leave the compressor's threads waiting for each other
        with undisturbed() as strike, archive.open("wb", buffering=0) as target:

            def progress(delta: int) -> None:
                monitor.advance(delta)
                strike()

            packed = write_package(
                target,
                manifest,
                [Part(part.path, part.name) for part in contents.parts],
                compression=settings.BACKUP_COMPRESSION,
                level=settings.BACKUP_COMPRESSION_LEVEL,
                wrap=encryption.writer if encryption else None,
                progress=progress,
            )
    except OSError as error:
        raise BackupError(
            f"the archive cannot be written in {directory}: {error.strerror}", hint="free space there"
        ) from error
    return Made(archive, packed, manifest, encryption)
