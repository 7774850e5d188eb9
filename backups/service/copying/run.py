"""The kind of run that brings the archive of a backup to one more destination."""

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from django.db.models import Q
from django.utils import timezone

from backups.errors import BackupError, Interrupted
from backups.lib import audit
from backups.models import BackupCopy, BackupExecution, CopyExecution
from backups.models.querysets import STORED_COPY
from backups.runs import finish, workspace
from backups.runs.execute import execute, run_here
from backups.runs.progress import Monitor
from backups.runs.queue.ownership import is_on_this_host
from backups.runs.recovery.reap import HOST_LOG_HINT
from backups.runs.registry import RunKind
from backups.service.archives.fetch import Fetched, HashingSink, fetch_nearest
from backups.service.archives.leases import release_leases
from backups.service.archives.names import ATTEMPTS, archive_extension, archive_paths, signature_of
from backups.service.archives.read_back import read_back
from backups.service.archives.records.copies import change_copy, is_off_box, next_try, not_stored_since
from backups.service.archives.signatures import delete_signature, read_signature, store_signature
from backups.service.backup.start import require_enabled
from backups.service.copying.start import may_be_source, require_source, start_copy
from backups.service.retention.prune import prune_at
from destinations.backends import Destination
from destinations.backends.base import StoredFile, UploadState
from destinations.exceptions import DestinationError, NameTaken, NotFound
from destinations.lib.disks import write_hint
from destinations.lib.operator_error import OperatorError
from destinations.models import BackupDestination

Stage, State, Status = CopyExecution.Stage, BackupCopy.State, CopyExecution.Status


@dataclass(frozen=True, slots=True)
class Stored:
    """Where the archive is now, and the copy that it was read from."""

    path: str
    fetched: Fetched


class CopyKind(RunKind[CopyExecution]):
    model = CopyExecution
    related = ("copy__execution", "copy__destination")

    def work(self, run: CopyExecution, monitor: Monitor, directory: Path) -> Stored:
        """Fetch a sound copy, compare its SHA-256, and store it with its signature under a free name."""
        copy = run.copy
        backup, destination = copy.execution, copy.destination
        monitor.stage(Stage.FETCHING, total=backup.compressed_size_bytes or 0)
        # it may have waited since somebody disabled it
        require_enabled(destination)
        require_source(backup, destination)
        with destination.open() as opened:
            opened.require_reachable()
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
        with source.destination.open() as opened:
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
                if not _record(copy, source, path, locked_until=uploaded.locked_until):
                    raise _changed()
            except BaseException:
                # a reaper may have taken this process for dead, and recorded the archive: then it stays
                if not BackupCopy.objects.filter(pk=copy.pk, path=path, state=State.STORED, missing_at=None).exists():
                    opened.delete(path)
                    delete_signature(opened, path)
                raise
            if damaged:
                _remove_damaged(opened, run, damaged)
        return Stored(path, fetched)

    def _upload(
        self, opened: Destination, run: CopyExecution, fetched: Fetched, size: int, monitor: Monitor
    ) -> StoredFile:
        copy, source = run.copy, fetched.copy

        def save(data: dict[str, object]) -> None:
            BackupCopy.objects.filter(pk=copy.pk).update(upload_state=data or None)

        for path in _paths(copy.execution, source):
            # in the row before the archive becomes visible: recovery looks there
            state = {} if copy.is_stored else {"state": State.UPLOADING}
            resumed = dict(copy.upload_state or {}) if copy.planned_path == path else {}
            sha256 = copy.sha256 if copy.is_stored else source.sha256
            if not change_copy(copy, not_stored_since(copy), planned_path=path, sha256=sha256, **state):
                raise _changed()
            try:
                with (
                    fetched.path.open("rb", buffering=0) as file,
                    read_back(opened, copy.destination, size) as left_out,
                ):
                    stored = opened.put(
                        file, path, size=size, sha256=source.sha256, token=copy.pk, progress=monitor.advance,
                        state=UploadState(resumed, save),
                    )  # fmt: skip
            except NameTaken:
                continue
            run.warnings = [*run.warnings, *left_out]
            return stored
        raise BackupError(f"{ATTEMPTS} archives have the name of {path} at {copy.destination.name} already.")

    def complete(self, run: CopyExecution, made: Stored) -> None:
        finish.complete(run, warnings=[*made.fetched.notes, *run.warnings])

    def settle(self, run: CopyExecution, directory: Path, error: BaseException) -> None:
        _record_failure(run.copy, error)
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
        """Complete a copy whose archive was stored whole; any other one is interrupted, and tried again."""
        if is_on_this_host(run.worker):
            workspace.sweep(run.pk)
        # they would keep the archive from being deleted
        release_leases(run)
        copy = run.copy
        with suppress(DestinationError):
            if _finish(copy):
                audit.log("copy.recovered", copy=run.pk, backup=copy.execution_id, file=copy.path)
                return finish.complete(run)
        _record_failure(copy, Interrupted(message))
        return finish.interrupt(run, message, HOST_LOG_HINT)

    def follow_up(self, run: CopyExecution) -> None:
        if run.status == Status.COMPLETED:
            prune_at(run.copy.execution, run.copy.destination)

    def only_own_host_recovers(self, run: CopyExecution) -> bool:
        return not is_off_box(run.copy.destination)


def _paths(backup: BackupExecution, source: BackupCopy) -> list[str]:
    """Return names for the archive: that of its source first."""
    extension = archive_extension(backup.compression or "gzip", source.encryption)
    began = backup.started_at or backup.created_at
    return list(dict.fromkeys([source.path, *archive_paths(backup.instance, backup.kind, began, extension)]))


def _changed() -> Interrupted:
    return Interrupted("The copy was changed by another process meanwhile.", hint="Look at its backup.")


def _record(copy: BackupCopy, source: BackupCopy, path: str, **facts: object) -> bool:
    now = timezone.now()
    unchanged = Q(execution__deleted_at=None) & ~Q(state=State.DELETED)
    if not copy.is_stored:
        # another process may have recorded this very archive, but no other one
        unchanged &= ~Q(state=State.STORED) | Q(path=path)
    BackupDestination.objects.filter(pk=copy.destination_id).update(established=True)
    return change_copy(
        copy,
        unchanged,
        state=State.STORED,
        path=path,
        planned_path="",
        size_bytes=source.size_bytes,
        sha256=source.sha256,
        blake2b=source.blake2b,
        encryption=source.encryption,
        recipients=source.recipients,
        verified_at=now,
        verified_by="copy",
        stored_at=now,
        missing_at=None,
        damaged_at=None,
        error="",
        error_hint="",
        attempts=0,
        next_try_at=None,
        upload_state=None,
        **facts,
    )


def _record_failure(copy: BackupCopy, error: BaseException) -> None:
    """Record why `copy` is still missing or damaged, and when it is tried again; a lost one stays a lost one."""
    attempts = copy.attempts + 1
    state = {} if copy.is_stored else {"state": State.FAILED}
    change_copy(
        copy,
        ~Q(state=State.DELETED) & not_stored_since(copy),
        error=finish.message_of(error),
        error_hint=error.hint if isinstance(error, OperatorError) else "",
        attempts=attempts,
        # a person who cancels it does not want it a minute later
        next_try_at=None if finish.ending_of(error).status == Status.CANCELLED else next_try(attempts),
        **state,
    )


def _finish(copy: BackupCopy) -> bool:
    """Record the archive at the planned path of `copy` when it is the one of a sound copy; else remove what is partial.

    Raises DestinationError.
    """
    path = copy.planned_path
    if not path or BackupCopy.objects.stored().filter(destination=copy.destination_id, path=path).exists():
        return False
    sink = HashingSink()
    with copy.destination.open() as opened:
        opened.sweep(copy.pk, planned=(path, signature_of(path)))
        try:
            opened.get(path, sink)
        except NotFound:
            return False
        digest = sink.sha256.hexdigest()
        siblings = copy.execution.copies.filter(STORED_COPY, sha256=digest, damaged_at=None).exclude(pk=copy.pk)
        source = siblings.select_related("destination").first()
        if source is None:
            return False
        with source.destination.open() as there:
            signature = read_signature(there, source.path)
        if signature is not None:
            store_signature(opened, path, signature.decode(), token=copy.pk)
    return _record(copy, source, path)


def _remove_damaged(opened: Destination, run: CopyExecution, path: str) -> None:
    """Delete the damaged archive that was replaced; one that stays is reported by the catalogue."""
    try:
        opened.delete(path)
        delete_signature(opened, path)
    except NotFound:
        return
    except DestinationError as error:
        audit.log("copy.damaged-left", copy=run.pk, backup=run.copy.execution_id, file=path, error=error.message)


def _change(run: CopyExecution, **changes: object) -> None:
    if not run.transition(Status.RUNNING, **changes):
        raise Interrupted("The copy is not marked as running any more.", hint="See its page for who ended it.")


COPY = CopyKind()


def run_copy(run_id: str) -> CopyExecution:
    """Run a queued copy to its end, as `execute`."""
    return execute(COPY, run_id)


def copy_now(
    backup: BackupExecution, destination: BackupDestination, *, by: audit.Actor, run_id: str = ""
) -> CopyExecution:
    """Copy `backup` to `destination` in this process, and return the row.

    Raises as `start_copy`, or the error it failed with.
    """

    def make(own_id: str) -> CopyExecution:
        return start_copy(backup, destination, by=by, run_id=own_id)

    run, _ = run_here(COPY, make, by=by, run_id=run_id)
    return run
