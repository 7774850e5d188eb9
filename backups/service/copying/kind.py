"""The kind of run that brings the archive of a backup to one more destination."""

from pathlib import Path

from django.utils import timezone

from backups.errors import BackupError, Interrupted
from backups.models import BackupCopy, BackupExecution, CopyExecution
from backups.runs import finish, workspace
from backups.runs.progress import Monitor
from backups.runs.queue.ownership import is_on_this_host
from backups.runs.recovery.reap import HOST_LOG_HINT
from backups.runs.registry import RunKind
from backups.service.archives.fetch import Fetched, fetch_nearest
from backups.service.archives.leases import release_leases
from backups.service.archives.names import ATTEMPTS, archive_extension, archive_paths
from backups.service.archives.read_back import read_back
from backups.service.archives.records.copied import record_copied, record_copy_failure
from backups.service.archives.records.copies import (
    change_copy,
    is_off_box,
    next_try,
    not_stored_since,
    readable_copies,
    unused_names,
)
from backups.service.archives.records.tries import may_try_writing, record_left
from backups.service.archives.signatures import read_signature, store_signature
from backups.service.backup.remove import remove_damaged, remove_published, with_what_stays
from backups.service.backup.settle import settle_upload
from backups.service.backup.start import require_enabled
from backups.service.copying.start import may_be_source, require_source
from backups.service.copying.upload_state import SavedState
from backups.service.retention.prune import prune_at
from destinations.backends import Destination
from destinations.backends.base import StoredFile
from destinations.exceptions import NameTaken
from destinations.lib.disks import write_hint
from destinations.transfer.blocks import check_free_space

Stage, State, Status = CopyExecution.Stage, BackupCopy.State, CopyExecution.Status
# why nearer copies were not read, and a damaged archive stays: a sentence each
Notes = tuple[str, ...]


class CopyKind(RunKind[CopyExecution]):
    model = CopyExecution
    related = ("copy__execution", "copy__destination")

    def work(self, run: CopyExecution, monitor: Monitor, directory: Path) -> Notes:
        """Fetch a sound copy, compare its SHA-256, and store it with its signature under a free name."""
        copy = run.copy
        backup, destination = copy.execution, copy.destination
        monitor.stage(Stage.FETCHING, total=backup.compressed_size_bytes or 0)
        # it may have waited since somebody disabled it
        require_enabled(destination)
        require_source(backup, destination)
        # an attempt whose end is not known may have stored it
        if copy.planned_path:
            with destination.open(while_waiting=monitor.advance) as opened:
                opened.require_reachable()
            if settle_upload(copy, timezone.now(), resumes=True, progress=monitor.advance):
                return ()
        sources = [one for one in readable_copies(backup) if may_be_source(one, destination)]
        # before an archive of any size is fetched for nothing; of one that was cut a part is there already
        is_new = bool(sources) and not copy.upload_state
        with destination.open(while_waiting=monitor.advance) as opened:
            if is_new and may_try_writing(destination):
                folder = sources[0].path.rpartition("/")[0]
                left = opened.require_writable(folder, copy.pk, monitor.advance)
                record_left(destination, left, timezone.now())
            else:
                opened.require_reachable()
            if is_new:
                free = opened.free_space()
                destination.record_free_space(free)
                check_free_space(opened.location(), min(one.size_bytes or 0 for one in sources), free)
        try:
            fetched = fetch_nearest(
                backup, directory, progress=monitor.advance, among=lambda other: may_be_source(other, destination)
            )
        except OSError as error:
            raise BackupError(
                f"The workspace {directory} cannot be written: {error.strerror}.", hint=write_hint(error, directory)
            ) from error
        source = fetched.copy
        _change(run, source=source.destination.name)
        with source.destination.open(while_waiting=monitor.advance) as opened:
            signature = read_signature(opened, source.path)
        size = fetched.path.stat().st_size
        monitor.stage(Stage.UPLOADING, total=size)
        with destination.open() as opened:
            uploaded = self._upload(opened, run, fetched, size, monitor)
            path = uploaded.path
            try:
                if signature is not None:
                    # of whoever made the archive: copying it proves nothing new
                    store_signature(opened, path, signature.decode(), token=copy.pk)
                monitor.protect()
                monitor.stage(Stage.RECORDING)
                damaged = copy.path if copy.is_stored and copy.path != path else ""
                if not record_copied(copy, source, path, locked_until=uploaded.locked_until):
                    raise _changed()
            except BaseException as error:
                kept = remove_published(copy, path, locked_until=uploaded.locked_until)
                if kept is None or not isinstance(error, Exception):
                    raise
                raise with_what_stays(error, path, kept, copy=run.pk) from error
            left = remove_damaged(opened, copy, damaged) if damaged else ""
        return (*fetched.notes, left) if left else fetched.notes

    def _upload(
        self, opened: Destination, run: CopyExecution, fetched: Fetched, size: int, monitor: Monitor
    ) -> StoredFile:
        copy, source = run.copy, fetched.copy
        # of the archive that is sent; a damaged one keeps what was recorded of it until it is replaced
        same = ("size_bytes", "sha256", "blake2b", "encryption", "recipients")
        facts = {} if copy.is_stored else {"state": State.UPLOADING} | {name: getattr(source, name) for name in same}
        for path in unused_names(_paths(copy, source), copy.destination, but=copy):
            resumed = dict(copy.upload_state or {}) if copy.planned_path == path else {}
            # in the row before the archive becomes visible: `settle_uploads` looks there
            if not change_copy(copy, not_stored_since(copy), planned_path=path, look_again_at=None, **facts):
                raise _changed()
            saved = SavedState(copy, resumed)

            def advance(delta: int, saved: SavedState = saved) -> None:
                saved.save()
                monitor.advance(delta)

            try:
                with fetched.path.open("rb", buffering=0) as file, read_back(opened, copy.destination, size) as notes:
                    stored = opened.put(
                        file, path, size=size, sha256=source.sha256, token=copy.pk, progress=advance, state=saved.state
                    )
            except NameTaken:
                continue
            finally:
                saved.save(at_once=True)
            run.warnings = [*run.warnings, *notes]
            return stored
        raise BackupError(f"{ATTEMPTS} archives have the name of {source.path} at {copy.destination.name} already.")

    def complete(self, run: CopyExecution, made: Notes) -> None:
        finish.complete(run, warnings=[*run.warnings, *made])

    def settle(self, run: CopyExecution, directory: Path, error: BaseException) -> None:
        record_copy_failure(run.copy, error)
        finish.fail(run, error)

    def discard(self, run: CopyExecution) -> None:
        copy = BackupCopy.objects.get(pk=run.copy_id)
        # `settle` or `recover` has recorded the end of one that began
        if run.started_at is not None or copy.is_sound or copy.state == State.DELETED:
            return
        # a person who cancels it does not want it a minute later
        changes: dict[str, object] = {"next_try_at": None if run.status == Status.CANCELLED else next_try(1)}
        if copy.state == State.WAITING:
            changes |= {"state": State.FAILED, "error": run.error_message, "error_hint": run.error_hint}
        change_copy(copy, **changes)

    def recover(self, run: CopyExecution, message: str) -> bool:
        """Record that the copy is missing and tried again; what was stored whole is recorded by `settle_uploads`."""
        if is_on_this_host(run.worker):
            workspace.sweep(run.pk)
        # they would keep the archive from being deleted
        release_leases(run)
        record_copy_failure(run.copy, Interrupted(message))
        return finish.interrupt(run, message, HOST_LOG_HINT)

    def follow_up(self, run: CopyExecution) -> None:
        if run.status == Status.COMPLETED:
            prune_at(run.copy.execution, run.copy.destination)

    def only_own_host_recovers(self, run: CopyExecution) -> bool:
        return not is_off_box(run.copy.destination)


def _paths(copy: BackupCopy, source: BackupCopy) -> list[str]:
    """Return names for the archive: that of the last attempt, which is gone on from, then that of its source."""
    backup: BackupExecution = copy.execution
    extension = archive_extension(backup.compression or "gzip", source.encryption)
    began = backup.started_at or backup.created_at
    paths = [source.path, *archive_paths(backup.instance, backup.kind, began, extension)]
    return list(dict.fromkeys([copy.planned_path, *paths] if copy.planned_path in paths else paths))


def _changed() -> Interrupted:
    return Interrupted("The copy was changed by another process meanwhile.", hint="Look at its backup.")


def _change(run: CopyExecution, **changes: object) -> None:
    if not run.transition(Status.RUNNING, **changes):
        raise Interrupted("The copy is not marked as running any more.", hint="See its page for who ended it.")


COPY = CopyKind()
