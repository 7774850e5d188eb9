"""Sending archives to several destinations at once: a thread for each, with a connection of its own.

The threads touch no database: each path is planned, and each result recorded, by the thread of the run.
"""

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextvars import copy_context
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain
from queue import Empty, SimpleQueue
from time import monotonic

from backups.errors import BackupError, Interrupted
from backups.lib.lost_connections import drop_lost_connection
from backups.runs.progress import Monitor
from backups.service.archives.names import ATTEMPTS
from backups.service.archives.read_back import ReadBack
from backups.service.archives.signatures import signature_text, store_signature
from backups.service.backup.pack import Made
from backups.service.backup.targets import Target
from destinations.exceptions import NameTaken
from destinations.lib.operator_error import OperatorError

# how long the run waits for the threads after it was stopped: one whose peer is mute ends by its own timeout
PATIENCE_SECONDS = 1.5
POLL_SECONDS = 0.1


@dataclass(slots=True)
class Upload:
    """One archive on its way to one destination. `error` is why it did not arrive; None while it is under way.

    `published` is True from the moment on when the archive is visible at its path, `left` while something of the upload
    may be there. `kept` is why an archive that was published could not be removed.
    """

    target: Target
    made: Made
    token: str
    paths: Iterator[str]
    path: str = ""
    error: Exception | None = None
    locked_until: datetime | None = None
    published: bool = False
    read_back: ReadBack | None = None
    left: bool = False
    kept: OperatorError | None = None
    stopped: threading.Event = field(default_factory=threading.Event)

    def begin_alone(self) -> None:
        """Prepare another attempt under the same name, when no other upload runs any more."""
        self.paths, self.error, self.left = chain([self.path], self.paths), None, False
        # what was published, and could be removed: an archive with that name would be of another backup now
        self.published, self.locked_until = False, None

    def send(self, advance: Callable[[int], None]) -> None:
        """Store the archive at its path, and its signature beside it.

        An archive that is `published` when this fails stays: another host may have recorded it meanwhile, which only
        the database knows.
        """
        packed = self.made.packed

        def progress(delta: int) -> None:
            if self.stopped.is_set():
                raise Interrupted("The run has ended.")
            advance(delta)

        with self.target.copy.destination.open() as destination:
            if self.read_back is not None:
                self.read_back.begin(destination)
            try:
                with self.made.path.open("rb", buffering=0) as source:
                    stored = destination.put(
                        source, self.path, size=packed.size_bytes, sha256=packed.sha256, progress=progress,
                        token=self.token,
                    )  # fmt: skip
            finally:
                if self.read_back is not None:
                    self.read_back.end(destination)
            self.published = True
            self.path, self.locked_until = stored.path, stored.locked_until
            text = signature_text(stored.path, packed.blake2b)
            store_signature(destination, stored.path, text, token=self.token)


Results = SimpleQueue[tuple[Upload, BaseException | None]]


def send_all(
    uploads: Sequence[Upload],
    monitor: Monitor,
    *,
    plan: Callable[[Upload], None],
    arrived: Callable[[Upload], None],
    failed: Callable[[Upload], None],
    discard: Callable[[Upload], None],
) -> None:
    """Send each of `uploads`: `plan` is called before each attempt, `arrived` or `failed` after it, in this thread.

    `discard` is called for one that failed after its archive was published. One that fails does not stop the others.
    What `plan`, `arrived`, `failed`, `discard` and `monitor` raise stops all of them.
    """
    results: Results = SimpleQueue()
    threads: dict[str, tuple[Upload, threading.Thread]] = {}
    waiting = list(uploads)
    try:
        while waiting or threads:
            for upload in waiting:
                if (path := next(upload.paths, None)) is None:
                    upload.error = _no_name(upload)
                    failed(upload)
                    continue
                upload.path = path
                plan(upload)
                upload.left = True
                if len(uploads) == 1:
                    # in this thread, where a signal ends it at once
                    _work(upload, monitor, results)
                    continue
                # a daemon: a thread whose peer is mute must not keep the process from ending
                work = (_work, upload, monitor, results)
                thread = threading.Thread(target=copy_context().run, args=work, daemon=True)
                threads[upload.target.copy.pk] = upload, thread
                thread.start()
            waiting = []
            try:
                upload, error = results.get(timeout=POLL_SECONDS)
            except Empty:
                monitor.advance(0)
                continue
            threads.pop(upload.target.copy.pk, None)
            # it was idle for as long as the upload took
            drop_lost_connection()
            if error is not None and upload.published:
                discard(upload)
            if isinstance(error, NameTaken) and not upload.published:
                # another backup of the same instance began in the same second
                upload.left = False
                waiting = [upload]
            elif error is None:
                arrived(upload)
            elif not isinstance(error, Exception):
                raise error
            else:
                # a cancel reaches the threads and this one alike
                monitor.advance(0)
                upload.error = error
                failed(upload)
    except BaseException:
        _stop(threads.values())
        drop_lost_connection()
        # what arrived meanwhile is recorded, as a good archive is worth more than a cancel
        while not results.empty():
            upload, error = results.get()
            if error is None:
                arrived(upload)
            elif upload.published:
                discard(upload)
        raise


def _work(upload: Upload, monitor: Monitor, results: Results) -> None:
    try:
        upload.send(monitor.advance)
    except BaseException as error:
        # one that is about the process, as a signal, is raised again by the thread of the run
        results.put((upload, error))
    else:
        results.put((upload, None))


def _stop(running: Iterable[tuple[Upload, threading.Thread]]) -> None:
    pairs = list(running)
    for upload, _ in pairs:
        upload.stopped.set()
    deadline = monotonic() + PATIENCE_SECONDS
    for _, thread in pairs:
        thread.join(max(0.0, deadline - monotonic()))


def _no_name(upload: Upload) -> BackupError:
    where = upload.target.copy.destination.name
    return BackupError(f"{ATTEMPTS} archives have the name of this one at {where} already.")
