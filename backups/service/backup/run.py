"""Backing up an instance, from the wish to the record."""

import logging
import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import MappingProxyType

from django.conf import settings
from django.utils import timezone

from backups.components import Component
from backups.errors import BackupError
from backups.instances import Instance, get_instance
from backups.instances.masking import masked
from backups.instances.mismatch import mismatches, require_agreement
from backups.instances.site_paths import live_components
from backups.lib import audit
from backups.models import BackupExecution, BackupSchedule
from backups.runs import finish, workspace
from backups.runs.execute import execute
from backups.runs.hooks import run_hook
from backups.runs.progress import Monitor
from backups.runs.queue.holder import on_this_host, owned_here
from backups.runs.queue.once import create_once
from backups.runs.recovery.reap import HINT
from backups.runs.registry import RunKind
from backups.runs.workspace import require_space
from backups.service.archives.signatures import site_key
from backups.service.archives.tree_listing import keep_exported
from backups.service.archives.tree_lists import forget_lists
from backups.service.backup.encrypt import encryption_for, prove_sealed, sealed_manifest
from backups.service.backup.export import exported, manifest_of
from backups.service.backup.finish_upload import recover_upload, sweep_destination
from backups.service.backup.pack import pack
from backups.service.backup.upload import publish
from backups.service.drops.find import note_drops
from backups.service.retention.prune import prune_after
from destinations.backends import destination_class
from destinations.exceptions import DestinationConfigError, DestinationError
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


class BackupKind(RunKind[BackupExecution]):
    model = BackupExecution
    related = ("destination",)
    cleared = MappingProxyType({"backup_filename": "", "backup_path": ""})

    @property
    def slots(self) -> int:
        return int(settings.BACKUP_WORKERS)

    def work(
        self,
        run: BackupExecution,
        monitor: Monitor,
        directory: Path,
        *,
        parts: Sequence[Component] | None = None,
    ) -> None:
        """Export, pack, encrypt and upload; `parts` replaces the components that the instance has now."""
        _run(run, monitor, directory, parts)

    def complete(self, run: BackupExecution, made: None) -> None:
        finish.completed(run)

    def settle(self, run: BackupExecution, directory: Path, error: BaseException) -> None:
        # the process may be told to end in the moment between the upload and the record of its end
        if run.backup_path:
            finish.completed(run)
            return
        with suppress(DestinationError):
            if run.planned_path and not isinstance(error, Exception):
                if recover_upload(run):
                    return
                sweep_destination(run)
        finish.failed(run, error)

    def recover(self, run: BackupExecution, message: str) -> bool:
        """Complete what was uploaded whole, interrupt everything else."""
        if on_this_host(run.worker):
            workspace.sweep(run.pk)
        try:
            sweep_destination(run)
            if recover_upload(run):
                return True
        except DestinationError as error:
            message += f"; what it left at {run.destination.name} could not be looked at: {error.message}"
        return finish.interrupted(run, message, HINT)

    def sweep(self, run: BackupExecution) -> None:
        try:
            sweep_destination(run)
        except DestinationError as error:
            audit.log("backup.sweep-failed", logging.WARNING, execution=run.pk, error=error.message)

    def discard(self, run: BackupExecution) -> None:
        forget_lists(run)

    def follow_up(self, run: BackupExecution) -> None:
        if run.status == Status.COMPLETED and not run.is_part_of_another:
            prune_after(run)

    def host_knows_better(self, run: BackupExecution) -> bool:
        """True where the archive goes into a folder, of which another host may see another one."""
        try:
            return not destination_class(run.destination.type).off_box
        except DestinationConfigError:
            return False


BACKUP = BackupKind()


def run_backup(execution_id: str) -> BackupExecution:
    """Run a queued backup to its end, as `execute`; then retention deletes what it may.

    Works inside a transaction too, but shows no progress there.
    """
    return execute(BACKUP, execution_id)


def record_at_destination(execution: BackupExecution) -> None:
    """Note at its destination how the latest backup ended."""
    at = execution.completed_at or timezone.now()
    execution.destination.record_backup(execution.status, at, stored=execution.status == Status.COMPLETED)


def _require_enabled(destination: BackupDestination) -> None:
    if not destination.enabled:
        raise BackupError(f"destination {destination.name} is disabled", hint="enable it, or choose another one")


def _run(execution: BackupExecution, monitor: Monitor, directory: Path, given: Sequence[Component] | None) -> None:
    monitor.stage(Stage.PREPARING)
    _require_enabled(execution.destination)
    instance = get_instance(execution.instance)
    live = instance.service.live()
    encryption = encryption_for(execution, instance, live)
    site_key()  # a backup that cannot be signed at the end is not begun
    parts = live_components(instance, live.merged) if given is None else given
    # of a safety backup the restore that it is for has asked already
    only = () if execution.kind == Kind.SAFETY else None
    warnings = require_agreement(mismatches(instance, parts, live), only=only)
    estimate = sum(part.source_bytes() for part in parts)
    require_space(directory, estimate + SPARE_BYTES)

    monitor.stage(Stage.EXPORTING, total=2 * estimate)
    scratch = directory / "export"
    scratch.mkdir(mode=0o700)
    with exported(parts, scratch, monitor, as_found=execution.kind == Kind.SAFETY) as contents:
        contents.warnings[:0] = warnings
        manifest = note_drops(execution, manifest_of(contents, instance, execution))
        manifest = sealed_manifest(manifest, encryption)
        if contents.config_info:
            kept = {
                name: masked(layer, instance.service.is_secret) for name, layer in contents.config_info.layers.items()
            }
            execution.moved(Status.RUNNING, config_json=kept)

        monitor.stage(Stage.PACKING, total=manifest.total_size_bytes)
        made = pack(contents, manifest, encryption, directory, monitor)
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
