"""Sign of life and progress of a running execution, and the ear for a wish to cancel it."""

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from django.conf import settings
from django.db import DatabaseError, connection
from django.utils import timezone

from backups.components import ExportContext
from backups.errors import BackupError, Cancelled, Interrupted
from backups.models import BackupExecution, DrillExecution, RestoreExecution, Run
from backups.runs import audit

INTERVAL_SECONDS = 1.0
Stage = BackupExecution.Stage | RestoreExecution.Stage | DrillExecution.Stage
# stage: share of the whole, in percent, that is done when it begins and when it ends
SHARES: dict[type[Run], dict[str, tuple[int, int]]] = {
    BackupExecution: {
        BackupExecution.Stage.WAITING: (0, 0),
        BackupExecution.Stage.PREPARING: (0, 1),
        BackupExecution.Stage.EXPORTING: (1, 35),
        BackupExecution.Stage.CHECKING: (35, 45),
        BackupExecution.Stage.PACKING: (45, 85),
        BackupExecution.Stage.UPLOADING: (85, 99),
        BackupExecution.Stage.RECORDING: (99, 100),
        BackupExecution.Stage.DONE: (100, 100),
    },
    RestoreExecution: {
        RestoreExecution.Stage.WAITING: (0, 0),
        RestoreExecution.Stage.FETCHING: (0, 10),
        RestoreExecution.Stage.VERIFYING: (10, 35),
        RestoreExecution.Stage.SAFETY: (35, 60),
        RestoreExecution.Stage.STOPPING: (60, 62),
        RestoreExecution.Stage.APPLYING: (62, 92),
        RestoreExecution.Stage.PROVING: (92, 97),
        RestoreExecution.Stage.FINISHING: (97, 100),
        RestoreExecution.Stage.ROLLING_BACK: (62, 99),
        RestoreExecution.Stage.DONE: (100, 100),
    },
    DrillExecution: {
        DrillExecution.Stage.WAITING: (0, 0),
        DrillExecution.Stage.FETCHING: (0, 20),
        DrillExecution.Stage.UNPACKING: (20, 65),
        DrillExecution.Stage.CHECKING: (65, 100),
        DrillExecution.Stage.DONE: (100, 100),
    },
}


class Monitor:
    """Counts bytes in memory; a thread with a database connection of its own writes them once a second.

    The pipeline calls `advance` from any thread, also from inside a SQLite copy: it touches no database, and raises
    when the execution is to stop. Inside an open transaction there is no thread, because nobody could see its writes.
    An execution that is part of another one, `within` the monitor of that, stops with it. `protected`: see `protect`.
    """

    def __init__(self, execution: Run, within: "Monitor | None" = None, *, protected: bool = False) -> None:
        self.execution = execution
        self._within = within
        self._lock = threading.Lock()
        # a heartbeat that began in one stage must not be written after the next one has begun
        self._writing = threading.Lock()
        self._ended = threading.Event()
        self._stop: BackupError | None = None
        self._protected = protected
        self._bytes = self._stage_total = 0
        self._thread: threading.Thread | None = None
        if not connection.in_atomic_block:
            self._thread = threading.Thread(target=self._run, name=f"monitor-{execution.pk}", daemon=True)

    def __enter__(self) -> Self:
        if self._thread is not None:
            try:
                self._thread.start()
            except RuntimeError:
                if not self._protected:
                    raise
                self._thread = None  # there is no room for a thread: data is put back unseen, too
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        if self._thread is not None:
            self._thread.join()

    def stage(self, stage: Stage, *, total: int = 0) -> None:
        """Begin `stage`, which will handle about `total` bytes. Raises Cancelled or Interrupted."""
        with self._writing:
            self._begin(stage, total)
        audit.log(
            f"{self.execution.word}.stage",
            execution=self.execution.pk,
            instance=self.execution.instance,
            stage=stage.value,
        )
        self._listen()
        self.advance(0)

    def _begin(self, stage: Stage, total: int) -> None:
        with self._lock:
            self._bytes, self._stage_total = 0, total
        now = timezone.now()
        timeline = [*self.execution.timeline, [stage.value, now.isoformat()]]
        percent = self._share(stage)[0]
        changes: dict[str, object] = {"stage": stage, "timeline": timeline, "heartbeat_at": now}
        changes |= {"progress_bytes": 0, "progress_percent": percent}
        if self._protected:
            # what puts things back, or ends a run whose data is proven, needs no database
            self.execution.kept(**changes)
        else:
            self._update(**changes)

    @property
    def lock_timeout(self) -> float:
        """Seconds to wait for a lock on live data."""
        return float(settings.BACKUP_LOCK_TIMEOUT)

    def protect(self) -> None:
        """From now on nothing stops the run: it is putting things back, or what it is for is done."""
        self._stop, self._protected = None, True

    @contextmanager
    def stopping_threads(self) -> Iterator[None]:
        """Whatever leaves the block early also stops, at their next count, the threads that work for the run."""
        try:
            yield
        except BaseException as error:
            self._stop = self._stop or Interrupted(f"the run ended: {type(error).__name__}")
            raise

    def advance(self, delta: int) -> None:
        """Count `delta` more bytes of the stage. Raises Cancelled or Interrupted when the execution is to stop."""
        if self._stop is not None and not self._protected:
            raise self._stop
        if self._within is not None:
            self._within.advance(0)
        with self._lock:
            self._bytes += delta

    def context(self, directory: Path) -> ExportContext:
        """Return what a component needs for its export into `directory`."""
        return ExportContext(directory, self.lock_timeout, self.advance)

    def _share(self, stage: str) -> tuple[int, int]:
        return SHARES[type(self.execution)][stage]

    def _percent(self) -> int:
        low, high = self._share(self.execution.stage)
        part = min(1.0, self._bytes / self._stage_total) if self._stage_total else 0.0
        return int(low + (high - low) * part)

    def _run(self) -> None:
        silent_since = time.monotonic()
        try:
            # told to stop it still lives: it may take long to put things back
            while not self._ended.wait(INTERVAL_SECONDS):
                try:
                    self._beat()
                    silent_since = time.monotonic()
                except BackupError as stop:
                    self._stop = stop
                except DatabaseError as error:
                    self._unheard(time.monotonic() - silent_since, error)
        finally:
            connection.close()

    def _unheard(self, seconds: float, error: DatabaseError) -> None:
        """Past the heartbeat timeout others take us for dead: then we must not go on."""
        fields = {"execution": self.execution.pk, "instance": self.execution.instance, "error": error}
        audit.log(f"{self.execution.noun}.heartbeat-failed", logging.WARNING, **fields)
        connection.close()
        if seconds > settings.BACKUP_HEARTBEAT_TIMEOUT:
            self._stop = Interrupted(f"the database could not be reached for {seconds:.0f} s: {error}")

    def _beat(self) -> None:
        with self._writing:
            self._update(heartbeat_at=timezone.now(), progress_bytes=self._bytes, progress_percent=self._percent())
        self._listen()

    def _update(self, **changes: object) -> None:
        if not self.execution.moved(Run.Status.RUNNING, **changes) and not self._protected:
            raise Interrupted("the execution is not marked as running any more", hint="see its page for who ended it")

    def _listen(self) -> None:
        """Raise Cancelled when somebody asked for it."""
        if self._protected:
            return
        model = type(self.execution)
        wishes = model._default_manager.filter(pk=self.execution.pk, cancel_requested_at__isnull=False)
        if (by := wishes.values_list("cancel_requested_by", flat=True).first()) is not None:
            raise Cancelled(f"cancelled by {by}")
