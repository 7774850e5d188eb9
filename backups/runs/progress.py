"""Heartbeat and progress of a running run, and whether it was cancelled."""

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
from django.db.models import TextChoices
from django.utils import timezone

from backups.components import ExportContext
from backups.errors import BackupError, Cancelled, Interrupted
from backups.lib import audit
from backups.models import Run

INTERVAL_SECONDS = 1.0


class Monitor:
    """Counts bytes in memory; a thread with a database connection of its own writes them once a second.

    The pipeline calls `advance` from any thread, also from inside a SQLite copy: it touches no database, and raises
    when the execution is to stop. Inside an open transaction, which hides every write, there is no thread.
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
                self._thread = None  # no memory for a thread: a rollback goes on without heartbeats
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        if self._thread is not None:
            self._thread.join()

    def stage(self, stage: TextChoices, *, total: int = 0, done: int = 0) -> None:
        """Begin `stage`, which handles about `total` bytes, `done` of them already. Raises Cancelled or Interrupted."""
        with self._writing:
            self._begin(stage, total, done)
        audit.log(
            f"{self.execution.word}.stage",
            execution=self.execution.pk,
            instance=self.execution.instance,
            stage=stage.value,
        )
        self._check_cancelled()
        self.advance(0)

    def _begin(self, stage: TextChoices, total: int, done: int) -> None:
        with self._lock:
            self._bytes, self._stage_total = done, total
        now = timezone.now()
        timeline = [*self.execution.timeline, [stage.value, now.isoformat()]]
        changes: dict[str, object] = {"stage": stage, "timeline": timeline, "heartbeat_at": now}
        changes |= {"progress_bytes": done, "progress_percent": self._percent(stage)}
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

    def _percent(self, stage: str) -> int:
        low, high = self.execution.shares[stage]
        part = min(1.0, self._bytes / self._stage_total) if self._stage_total else 0.0
        return int(low + (high - low) * part)

    def _run(self) -> None:
        written_at = time.monotonic()
        try:
            # heartbeats go on after a stop: settling may take long
            while not self._ended.wait(INTERVAL_SECONDS):
                try:
                    self._write_heartbeat()
                    written_at = time.monotonic()
                except BackupError as stop:
                    self._stop = stop
                except DatabaseError as error:
                    self._heartbeat_failed(time.monotonic() - written_at, error)
        finally:
            connection.close()

    def _heartbeat_failed(self, seconds: float, error: DatabaseError) -> None:
        """Log it, and stop the run past the heartbeat timeout: by then other processes take it for dead."""
        fields = {"execution": self.execution.pk, "instance": self.execution.instance, "error": error}
        audit.log(f"{self.execution.noun}.heartbeat-failed", logging.WARNING, **fields)
        connection.close()
        if seconds > settings.BACKUP_HEARTBEAT_TIMEOUT:
            self._stop = Interrupted(f"the database could not be reached for {seconds:.0f} s: {error}")

    def _write_heartbeat(self) -> None:
        with self._writing:
            percent = self._percent(self.execution.stage)
            self._update(heartbeat_at=timezone.now(), progress_bytes=self._bytes, progress_percent=percent)
        self._check_cancelled()

    def _update(self, **changes: object) -> None:
        if not self.execution.moved(Run.Status.RUNNING, **changes) and not self._protected:
            raise Interrupted("the execution is not marked as running any more", hint="see its page for who ended it")

    def _check_cancelled(self) -> None:
        """Raise Cancelled when the row says so."""
        if self._protected:
            return
        requests = type(self.execution).objects.filter(pk=self.execution.pk, cancel_requested_at__isnull=False)
        if (by := requests.values_list("cancel_requested_by", flat=True).first()) is not None:
            raise Cancelled(f"cancelled by {by}")
