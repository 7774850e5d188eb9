"""Heartbeat, progress and cancellation of a running run."""

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import copy_context
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
from backups.lib.lost_connections import drop_lost_connection
from backups.models import Run
from backups.runs.log_lines import current_log

INTERVAL_SECONDS = 1.0


class Monitor:
    """Counts bytes in memory; a thread with a database connection of its own writes them once a second.

    `within` is the monitor of the run that this one is a step of: both stop together. `protected`: see `protect`.
    """

    def __init__(self, run: Run, within: "Monitor | None" = None, *, protected: bool = False) -> None:
        self.run = run
        self._within = within
        self._lock = threading.Lock()
        # a heartbeat with values of one stage must not be written after the next stage has begun
        self._writing = threading.Lock()
        self._ended = threading.Event()
        self._stop: BackupError | None = None
        self._protected = protected
        self._bytes = self._stage_total = 0
        self._thread: threading.Thread | None = None
        # inside an open transaction no other connection would see the row
        if not connection.in_atomic_block:
            work = (self._write_heartbeats,)
            self._thread = threading.Thread(target=copy_context().run, args=work, name=f"monitor-{run.pk}", daemon=True)

    def __enter__(self) -> Self:
        if self._thread is not None:
            try:
                self._thread.start()
            except RuntimeError:
                if not self._protected:
                    raise
                self._thread = None  # no memory for a thread: a rollback continues without heartbeats
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        if self._thread is not None:
            self._thread.join()

    def stage(self, stage: TextChoices, *, total: int = 0, done: int = 0) -> None:
        """Begin `stage`, which handles about `total` bytes, `done` of them already. Raises Cancelled or Interrupted."""
        drop_lost_connection()
        with self._writing:
            with self._lock:
                self._bytes, self._stage_total = done, total
            now = timezone.now()
            timeline = [*self.run.timeline, [stage.value, now.isoformat()]]
            changes: dict[str, object] = {"stage": stage, "timeline": timeline, "heartbeat_at": now}
            changes |= {"progress_bytes": done, "progress_percent": self._percent(stage)}
            if self._protected:
                # a rollback must not depend on the database
                self.run.update_running(**changes)
            else:
                self._update(**changes)
        audit.log(f"{self.run.label}.stage", **self.run.log_key, instance=self.run.instance, stage=stage.value)
        self._check_cancelled()
        self.advance(0)

    @property
    def lock_timeout(self) -> float:
        """Seconds to wait for a lock on live data."""
        return float(settings.BACKUP_LOCK_TIMEOUT)

    def protect(self) -> None:
        """From now on neither a cancel nor a lost row stops the run: it rolls back, or its work is done."""
        self._stop, self._protected = None, True

    @contextmanager
    def stopping_threads(self) -> Iterator[None]:
        """Stop the threads of the run, at their next `advance`, when an exception leaves the block."""
        try:
            yield
        except BaseException as error:
            self._stop = self._stop or Interrupted(f"The run ended: {type(error).__name__}.")
            raise

    def advance(self, delta: int) -> None:
        """Count `delta` more bytes of the stage. Raises Cancelled or Interrupted when the run must stop."""
        # no query here: threads and SQLite's backup callback call this often
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
        low, high = self.run.shares[stage]
        part = min(1.0, self._bytes / self._stage_total) if self._stage_total else 0.0
        return int(low + (high - low) * part)

    def _write_heartbeats(self) -> None:
        written_at, log = time.monotonic(), current_log(self.run.pk)
        try:
            # heartbeats continue after a stop, because a rollback may take long
            while not self._ended.wait(INTERVAL_SECONDS):
                try:
                    with self._writing:
                        percent = self._percent(self.run.stage)
                        self._update(heartbeat_at=timezone.now(), progress_bytes=self._bytes, progress_percent=percent)
                    self._check_cancelled()
                    written_at = time.monotonic()
                    if log is not None:
                        log.write()
                except BackupError as stop:
                    self._stop = stop
                except DatabaseError as error:
                    audit.log(
                        f"{self.run.noun}.heartbeat-failed", logging.WARNING,
                        **self.run.log_key, instance=self.run.instance, error=error,
                    )  # fmt: skip
                    connection.close()
                    seconds = time.monotonic() - written_at
                    if seconds > settings.BACKUP_HEARTBEAT_TIMEOUT:
                        # other processes consider the run dead by now
                        self._stop = Interrupted(f"The database could not be reached for {seconds:.0f} s: {error}.")
        finally:
            connection.close()

    def _update(self, **changes: object) -> None:
        if not self.run.transition(Run.Status.RUNNING, **changes) and not self._protected:
            raise Interrupted("The run is not marked as running any more.", hint="Its page says what ended it.")

    def _check_cancelled(self) -> None:
        """Raise Cancelled when the row says so."""
        if self._protected:
            return
        requests = type(self.run).objects.filter(pk=self.run.pk, cancel_requested_at__isnull=False)
        if (by := requests.values_list("cancel_requested_by", flat=True).first()) is not None:
            raise Cancelled(f"Cancelled by {by}.")
