"""The kind of run that backs up an instance, with its steps in order."""

import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import MappingProxyType

from django.conf import settings
from django.utils import timezone

from backups.archive.compression.write import compressor
from backups.components import Component
from backups.errors import BackupError, Interrupted
from backups.instances import get_instance
from backups.instances.declaration import declaration_of
from backups.instances.kinds.configuration import LiveConfiguration
from backups.instances.masking import masked
from backups.instances.mismatch import mismatches, require_no_mismatch
from backups.instances.site_paths import live_components
from backups.models import BackupExecution
from backups.models.querysets import RunQuerySet
from backups.runs import finish, workspace
from backups.runs.hooks import run_hook
from backups.runs.progress import Monitor
from backups.runs.queue.ownership import is_on_this_host
from backups.runs.recovery.reap import HOST_LOG_HINT
from backups.runs.registry import RunKind
from backups.runs.workspace import require_space
from backups.service.archives.records.copies import close_copies, copies_of, is_off_box
from backups.service.archives.records.uncopied import planned_copies, record_uncopied
from backups.service.archives.signatures import site_key
from backups.service.archives.trees.listing import keep_exported
from backups.service.archives.trees.lists import forget_lists
from backups.service.backup.encrypt import verify_encrypted, with_encryption
from backups.service.backup.export import export_components
from backups.service.backup.finish_import import finish_import
from backups.service.backup.finish_upload import complete
from backups.service.backup.manifest import build_manifest, without_sealed
from backups.service.backup.pack import Bodies, Made, pack
from backups.service.backup.settle import NOTE, settle_uploads
from backups.service.backup.targets import Targets
from backups.service.backup.upload import upload_archives
from backups.service.drops.find import record_drops
from backups.service.retention.prune import prune_after

Kind, Stage, Status = BackupExecution.Kind, BackupExecution.Stage, BackupExecution.Status
Packed = Callable[[BackupExecution, Made], None]
SPARE_BYTES = 16 << 20
# of a safety backup, while whose restore the service may be down: the fastest in all, with writing and reading back
FAST_LEVEL = 2


class BackupKind(RunKind[BackupExecution]):
    model = BackupExecution
    related = ("destination",)
    cleared = MappingProxyType({"backup_filename": "", "backup_path": ""})

    @property
    def slots(self) -> int:
        return int(settings.BACKUP_WORKERS)

    def rows(self) -> "RunQuerySet[BackupExecution]":
        # for `only_own_host_recovers`, of every running one
        return super().rows().prefetch_related("copies__destination")

    def work(
        self,
        run: BackupExecution,
        monitor: Monitor,
        directory: Path,
        *,
        parts: Sequence[Component] | None = None,
        live: LiveConfiguration | None = None,
        packed: Packed | None = None,
    ) -> None:
        """Export, pack, encrypt and upload.

        `parts` replaces the components that the instance has now; `live` is its configuration where it was read before.
        `packed` is called with each archive before its upload.
        """
        monitor.stage(Stage.PREPARING)
        targets = Targets(run, planned_copies(run))
        targets.require_reachable(monitor)
        instance = get_instance(run.instance)
        live = live or instance.service.live()
        targets.choose_encryption(instance, live)
        site_key()  # raises now instead of after the upload, when the signing key is missing
        level = FAST_LEVEL
        if parts is None:
            level = declaration_of(instance, live).compression_level or settings.BACKUP_COMPRESSION_LEVEL
        parts = live_components(instance, live.merged) if parts is None else parts
        # the restore has checked this before its safety backup
        only = () if run.kind == Kind.SAFETY else None
        warnings = require_no_mismatch(mismatches(instance, parts, live), only=only)
        estimate = sum(part.source_bytes() for part in parts)
        targets.require_room(estimate)
        # one archive for all destinations that encrypt, and one for those that do not
        variants = {target.encryption is not None: target.encryption for target in targets.usable}
        require_space(directory, len(variants) * estimate + SPARE_BYTES)

        monitor.stage(Stage.EXPORTING, total=2 * estimate)
        scratch, bodies = directory / "export", directory / "packed"
        for folder in (scratch, bodies):
            folder.mkdir(mode=0o700)
        with compressor(settings.BACKUP_COMPRESSION, level) as packing:
            contents = export_components(
                instance,
                parts,
                scratch,
                Bodies(bodies, packing, monitor),
                monitor,
                as_found=run.kind == Kind.SAFETY,
            )
        contents.warnings[:0] = warnings
        manifest = build_manifest(contents, instance, run)
        manifest = record_drops(run, manifest if True in variants else without_sealed(manifest, contents))
        if contents.config_info:
            layers = contents.config_info.layers.items()
            kept = {name: masked(layer, instance.service.is_secret) for name, layer in layers}
            run.transition(Status.RUNNING, config_json=kept)

        monitor.stage(Stage.PACKING, total=len(variants) * sum(part.compressed_bytes for part in contents.packed))
        unlisted = keep_exported(run, contents.parts, contents.entries, monitor.advance)
        # the archives need no second copy on the disk, and the removal of a large file takes time
        with ThreadPoolExecutor(1) as beside:
            removed = beside.submit(shutil.rmtree, scratch)
            archives = {
                encrypted: pack(
                    contents.packed if encrypted else contents.unsealed(),
                    with_encryption(manifest, encryption) if encrypted else without_sealed(manifest, contents),
                    encryption,
                    directory,
                    monitor,
                )
                for encrypted, encryption in variants.items()
            }
            removed.result()
        shutil.rmtree(bodies)
        for made in archives.values():
            if made.encryption is not None:
                verify_encrypted(made.path, made.manifest, made.encryption, lambda _: monitor.advance(0))

        if packed is not None:
            for made in archives.values():
                packed(run, made)
        total = sum(archives[target.encryption is not None].packed.size_bytes for target in targets.usable)
        monitor.stage(Stage.UPLOADING, total=total)
        upload_archives(run, targets, archives, monitor, unlisted)

        monitor.protect()
        monitor.stage(Stage.RECORDING)
        try:
            run_hook("after_backup", instance, run)
        except BackupError as error:
            # the archive is stored: a failing hook does not make the backup a failed one
            run.transition(Status.RUNNING, warnings=[*run.warnings, error.message])

    def complete(self, run: BackupExecution, made: None) -> None:
        complete(run)

    def settle(self, run: BackupExecution, directory: Path, error: BaseException) -> None:
        # The process may be terminated between an upload and the change of status. The path that is in memory proves
        # nothing: the record of the archive may have been rolled back, and the archive removed.
        if run.backup_path and run.copies.stored().exists():
            complete(run, error)
            return
        finish.fail(run, error)

    def recover(self, run: BackupExecution, message: str) -> bool:
        """Complete a backup of which a copy is recorded; any other one is interrupted, until `tidy` has looked.

        No destination is opened: a restore of the instance may wait for this.
        """
        if is_on_this_host(run.worker):
            workspace.sweep(run.pk)
        if run.copies.stored().exists():
            run.transition(Status.RUNNING, warnings=[*run.warnings, NOTE])
            return complete(run, Interrupted(message))
        # one of a release before copies has its planned path alone
        planned_copies(run)
        return finish.interrupt(run, message, HOST_LOG_HINT)

    def recover_queued(self, run: BackupExecution) -> bool:
        return run.adopted and finish_import(run)

    def reads_back(self, run: BackupExecution) -> bool:
        return run.adopted

    def tidy(self) -> int:
        return record_uncopied() + len(settle_uploads())

    def discard(self, run: BackupExecution) -> None:
        forget_lists(run)
        close_copies(run)

    def follow_up(self, run: BackupExecution) -> None:
        if run.status == Status.COMPLETED and not run.is_part_of_another:
            prune_after(run)

    def only_own_host_recovers(self, run: BackupExecution) -> bool:
        """True for a destination in a folder or at localhost: on another host that is another place."""
        return any(not is_off_box(copy.destination) for copy in run.copies.all())


BACKUP = BackupKind()


def record_at_destination(backup: BackupExecution) -> None:
    """Record at each destination how the latest backup to it ended, unless it was cancelled before it began."""
    if backup.started_at is None and backup.status == Status.CANCELLED:
        return
    at = backup.completed_at or timezone.now()
    for copy in copies_of(backup):
        # of a completed backup the copy alone may have failed
        failed = backup.status == Status.COMPLETED and not copy.is_stored
        status = Status.FAILED if failed else backup.status
        copy.destination.record_backup(status, at, stored=copy.is_stored)
