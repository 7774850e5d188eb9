"""Backing up an instance, from the wish to the record."""

import logging
import shutil
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
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
from backups.models import BackupExecution
from backups.runs import finish, workspace
from backups.runs.execute import execute, run_here
from backups.runs.hooks import run_hook
from backups.runs.progress import Monitor
from backups.runs.queue.holder import on_this_host
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
from backups.service.backup.start import require_enabled, start_backup
from backups.service.backup.upload import publish
from backups.service.drops.find import note_drops
from backups.service.retention.prune import prune_after
from destinations.backends import destination_class
from destinations.exceptions import DestinationConfigError, DestinationError
from destinations.models import BackupDestination

Kind, Stage, Status = BackupExecution.Kind, BackupExecution.Stage, BackupExecution.Status
SPARE_BYTES = 16 << 20


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
            audit.log("backup.sweep-failed", logging.WARNING, backup=run.pk, error=error.message)

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


def run_backup(backup_id: str) -> BackupExecution:
    """Run a queued backup to its end, as `execute`; then retention deletes what it may.

    Works inside a transaction too, but shows no progress there.
    """
    return execute(BACKUP, backup_id)


def backup_now(
    instance: str, destination: BackupDestination, *, by: audit.Actor, comment: str = "", run_id: str = ""
) -> BackupExecution:
    """Back up here and now, and return the row, which gets the id `run_id` when one is given.

    Raises as `start_backup`, InstanceBusy when the instance is in use, or why it failed; nothing is left waiting then.
    """

    def make(own_id: str) -> BackupExecution:
        return start_backup(instance, destination, by=by, comment=comment, run_id=own_id)

    backup, _ = run_here(BACKUP, make, by=by, run_id=run_id)
    return backup


def back_up_before_restore(
    instance: str,
    destination: BackupDestination,
    *,
    by: audit.Actor,
    comment: str,
    pin_reason: str,
    parts: Sequence[Component],
    within: Monitor,
) -> BackupExecution:
    """Take the safety backup of a restore. It is pinned from the beginning: at no moment can retention take it.

    `parts` names the components, because the configuration of the instance is not to be asked, and `within` is the
    monitor of the restore, with which it stops. Raises as `backup_now`.
    """

    def make(own_id: str) -> BackupExecution:
        return start_backup(
            instance,
            destination,
            by=by,
            kind=BackupExecution.Kind.SAFETY,
            comment=comment,
            pin_reason=pin_reason,
            run_id=own_id,
        )

    hint = "it belongs to a restore: run that again"
    work = partial(BACKUP.work, parts=parts)
    backup, _ = run_here(BACKUP, make, by=by, hint=hint, work=work, within=within)
    return backup


def record_at_destination(backup: BackupExecution) -> None:
    """Note at its destination how the latest backup ended."""
    at = backup.completed_at or timezone.now()
    backup.destination.record_backup(backup.status, at, stored=backup.status == Status.COMPLETED)


def _run(backup: BackupExecution, monitor: Monitor, directory: Path, given: Sequence[Component] | None) -> None:
    monitor.stage(Stage.PREPARING)
    require_enabled(backup.destination)
    instance = get_instance(backup.instance)
    live = instance.service.live()
    encryption = encryption_for(backup, instance, live)
    site_key()  # a backup that cannot be signed at the end is not begun
    parts = live_components(instance, live.merged) if given is None else given
    # of a safety backup the restore that it is for has asked already
    only = () if backup.kind == Kind.SAFETY else None
    warnings = require_agreement(mismatches(instance, parts, live), only=only)
    estimate = sum(part.source_bytes() for part in parts)
    require_space(directory, estimate + SPARE_BYTES)

    monitor.stage(Stage.EXPORTING, total=2 * estimate)
    scratch = directory / "export"
    scratch.mkdir(mode=0o700)
    with exported(parts, scratch, monitor, as_found=backup.kind == Kind.SAFETY) as contents:
        contents.warnings[:0] = warnings
        manifest = note_drops(backup, manifest_of(contents, instance, backup))
        manifest = sealed_manifest(manifest, encryption)
        if contents.config_info:
            kept = {
                name: masked(layer, instance.service.is_secret) for name, layer in contents.config_info.layers.items()
            }
            backup.moved(Status.RUNNING, config_json=kept)

        monitor.stage(Stage.PACKING, total=manifest.total_size_bytes)
        made = pack(contents, manifest, encryption, directory, monitor)
        unlisted = keep_exported(backup, contents.parts, contents.entries, monitor.advance)
    shutil.rmtree(scratch)
    if encryption is not None:
        prove_sealed(made.path, made.manifest, encryption, lambda _: monitor.advance(0))

    monitor.stage(Stage.UPLOADING, total=made.packed.size_bytes)
    publish(backup, made, monitor, unlisted)

    monitor.protect()
    monitor.stage(Stage.RECORDING)
    _after_backup(backup, instance)


def _after_backup(backup: BackupExecution, instance: Instance) -> None:
    """Run the hook; the backup is good whatever it says, but its failure is a warning to see."""
    try:
        run_hook("after_backup", instance, backup)
    except BackupError as error:
        backup.moved(Status.RUNNING, warnings=[*backup.warnings, error.message])
