"""The safety backup: the state of an instance right before a restore, kept until the restore is acknowledged."""

import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager, suppress
from contextvars import copy_context
from pathlib import Path, PurePosixPath

from django.conf import settings

from backups.archive.tar.read import verify_members
from backups.errors import BackupError, Cancelled, Interrupted, TimedOut
from backups.instances import Instance
from backups.models import BackupExecution, RestoreExecution
from backups.runs.progress import Monitor
from backups.service.archives.fetch import fetch
from backups.service.archives.names import archive_paths
from backups.service.archives.open import open_archive
from backups.service.backup.pack import Made
from backups.service.backup.run import make_safety_backup
from backups.service.restore.staging.stage import Staged
from destinations.exceptions import DestinationError
from destinations.lib.operator_error import OperatorError
from destinations.models import BackupDestination

# of the folder in the workspace, and of a destination that is created for want of any
NAME = "safety"
POLL_SECONDS = 0.1
# how long to wait for the thread that verifies after the run was stopped
PATIENCE_SECONDS = 5.0


def take_safety_backup(
    restore: RestoreExecution, instance: Instance, staged: Staged, monitor: Monitor, directory: Path
) -> None:
    """Back up `instance` as it is, sound or damaged, verify that backup and pin it for `restore`.

    Raises BackupError when it does not complete and verify; the restore stops there.
    """
    try:
        with _kept_archive(directory, monitor) as kept:
            safety = make_safety_backup(
                instance.name,
                safety_destination(restore),
                by=restore.triggered_by,
                comment=f"before restore {restore.pk}",
                pin_reason=f"safety backup of restore {restore.pk}, until that is acknowledged",
                parts=staged.live,
                live=staged.live_configuration,
                within=monitor,
                packed=kept.keep,
            )
            safety.refresh_from_db()
            kept.compare(safety)
    except (Cancelled, Interrupted, TimedOut):
        raise
    except OperatorError as error:
        raise BackupError(
            f"The safety backup failed: {error.message}",
            hint=error.hint or "Correct that, then restore again.",
        ) from error
    if not restore.transition(restore.Status.RUNNING, safety_backup=safety):
        raise BackupError("The restore is not marked as running any more.", hint="Its page says what ended it.")


def safety_destination(restore: RestoreExecution) -> BackupDestination:
    """Return the destination of the safety backup: the configured one, a local one, the archive's own, or a new one."""
    enabled = BackupDestination.objects.enabled()
    if name := settings.BACKUP_SAFETY_DESTINATION:
        if (configured := enabled.filter(name=name).first()) is None:
            raise BackupError(f"BACKUP_SAFETY_DESTINATION names {name}, which is not an enabled destination.")
        return configured
    if local := list(enabled.filter(type="local").order_by("created_at")):
        # the disk of the first one may be what was lost, and the archive then came from another copy
        return next((one for one in local if _answers(one)), local[0])
    # it answered a moment ago, when the archive was fetched
    if restore.execution is not None and restore.execution.destination.enabled:
        return restore.execution.destination
    if (first := enabled.first()) is not None:
        return first
    # a site where only an archive survived has no destination yet
    if BackupDestination.objects.filter(name=NAME).exists():
        raise BackupError(
            "No destination for the safety backup is enabled.", hint=f"Enable {NAME}, or another destination."
        )
    settings.BACKUP_ROOT.mkdir(mode=0o700, parents=True, exist_ok=True)
    destination = BackupDestination(name=NAME, type="local", created_by="restore")
    destination.configure({})
    destination.save()
    return destination


def _answers(destination: BackupDestination) -> bool:
    try:
        with destination.open() as opened:
            opened.require_reachable()
    except DestinationError:
        return False
    return True


def safety_archive(restore: RestoreExecution, directory: Path) -> Path:
    """Return the archive of the state before `restore`: the one in the workspace `directory`, else downloaded again.

    Raises OperatorError.
    """
    safety = restore.safety_backup
    if safety is None:
        raise BackupError(f"Restore {restore.pk} has no safety backup.")
    kept = directory / NAME / safety.backup_filename
    return kept if kept.exists() else _fetch_into(safety, directory, lambda _: None)


def _fetch_into(safety: BackupExecution, directory: Path, progress: Callable[[int], None]) -> Path:
    folder = directory / NAME
    folder.mkdir(mode=0o700, exist_ok=True)
    return fetch(safety, folder, progress=progress)


class _KeptArchive:
    """The safety archive in the workspace of the restore: a rollback must not depend on the destination.

    Its members are verified in a thread, which touches no database, while it is uploaded.
    """

    def __init__(self, directory: Path, monitor: Monitor) -> None:
        self._directory, self._monitor = directory, monitor
        self._path: Path | None = None
        self._verified: Future[None] = Future()

    def keep(self, safety: BackupExecution, made: Made) -> None:
        folder = self._directory / NAME
        folder.mkdir(mode=0o700)
        began = safety.started_at or safety.created_at
        path = folder / PurePosixPath(next(archive_paths(safety.instance, safety.kind, began, made.extension))).name
        # on file systems without links it is fetched, and verified then
        with suppress(OSError):
            os.link(made.path, path)
            self._path = path
        if self._path is not None:
            work = (self._work, self._path)
            # a daemon: a program that decrypts and is mute must not keep the process from ending
            thread = threading.Thread(target=copy_context().run, args=work, name="verify", daemon=True)
            try:
                thread.start()
            except RuntimeError:
                # no memory for a thread: it is verified before the upload, not beside it
                self._work(self._path)
                self._verified.result()

    def compare(self, safety: BackupExecution) -> None:
        """Compare the archive with what its destination has, and wait until all of it is verified."""
        if self._path is None:
            self._verify(_fetch_into(safety, self._directory, self._advance))
            return
        fetch(safety, self._path.parent, progress=self._advance, known=self._path)
        while not wait([self._verified], POLL_SECONDS).done:
            self._advance(0)
        self._verified.result()
        # the name may have been taken at the destination
        self._path.replace(self._path.with_name(safety.backup_filename))

    def join(self) -> None:
        """Wait for the end of the thread, which was stopped or has ended."""
        if self._path is not None:
            wait([self._verified], PATIENCE_SECONDS)

    def _work(self, archive: Path) -> None:
        try:
            self._verify(archive)
        # raised again by `compare`
        except BaseException as error:
            self._verified.set_exception(error)
        else:
            self._verified.set_result(None)

    def _verify(self, archive: Path) -> None:
        with open_archive(archive, self._directory) as stream:
            verify_members(stream, self._advance)

    def _advance(self, _delta: int) -> None:
        self._monitor.advance(0)


@contextmanager
def _kept_archive(directory: Path, monitor: Monitor) -> Iterator[_KeptArchive]:
    kept = _KeptArchive(directory, monitor)
    try:
        with monitor.stopping_threads():
            yield kept
    finally:
        kept.join()
