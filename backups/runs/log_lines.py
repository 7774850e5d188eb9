"""The log lines of a run: collected in memory, written with its progress and at its end, kept beside its row."""

import logging
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime
from typing import Any, Self

from django.db import transaction
from django.utils import timezone

from backups.errors import Unrecorded
from backups.lib import audit
from backups.lib.log_context import RUN_ID, logged_as
from backups.lib.log_handlers import line_of
from backups.lib.os_signals import defer_signals
from backups.models import (
    BackupExecution,
    BackupLog,
    CopyExecution,
    CopyLog,
    DrillExecution,
    DrillLog,
    RestoreExecution,
    RestoreLog,
    Run,
    RunLog,
)
from destinations.lib.formats import printable_lines
from destinations.lib.redaction import CUT, redact_cut

# a run that warns about each of 100,000 files must not fill the database: its beginning and its end are kept
FIRST_LINES, LAST_LINES = 100, 400
FIRST_BYTES, LAST_BYTES = 16 << 10, 48 << 10
# characters of one record: its message, and the end of its traceback; and of each of its lines
FIRST, LAST, LONGEST_LINE = 4_000, 12_000, 4_000
LOGS: dict[type[Run], type[RunLog]] = {
    BackupExecution: BackupLog,
    RestoreExecution: RestoreLog,
    DrillExecution: DrillLog,
    CopyExecution: CopyLog,
}


class BoundedLines:
    """The first and the last lines of many; `left_out` is the number of those between them."""

    def __init__(self, first: Iterable[str] = (), last: Iterable[str] = (), left_out: int = 0) -> None:
        self.first: list[str] = []
        self.last: deque[str] = deque()
        self.left_out = left_out
        self._first_bytes = self._last_bytes = 0
        self._first_is_full = False
        for line in first:
            self.add(line)
        self._first_is_full |= bool(left_out)
        for line in last:
            self.add(line)

    def __bool__(self) -> bool:
        return bool(self.first or self.last or self.left_out)

    def add(self, line: str) -> None:
        size = len(line.encode()) + 1
        if not self._first_is_full and len(self.first) < FIRST_LINES and self._first_bytes + size <= FIRST_BYTES:
            self.first.append(line)
            self._first_bytes += size
            return
        # a shorter line must not get in front of this one
        self._first_is_full = True
        self.last.append(line)
        self._last_bytes += size
        while len(self.last) > LAST_LINES or self._last_bytes > LAST_BYTES:
            self._last_bytes -= len(self.last.popleft().encode()) + 1
            self.left_out += 1

    def extend(self, later: "BoundedLines") -> None:
        for line in later.first:
            self.add(line)
        if later.left_out:
            # there is one gap, and it is before `last`
            self.left_out += len(self.last) + later.left_out
            self._first_is_full, self._last_bytes = True, 0
            self.last.clear()
        for line in later.last:
            self.add(line)

    def copy(self) -> "BoundedLines":
        return BoundedLines(self.first, self.last, self.left_out)

    @classmethod
    def of_row(cls, row: RunLog) -> Self:
        return cls(lines_of(row.first), lines_of(row.last), row.left_out)

    def columns(self) -> dict[str, Any]:
        return {"first": "\n".join(self.first), "last": "\n".join(self.last), "left_out": self.left_out}


class LogLines(logging.Handler):
    """Collects what is logged in the context of one run; nothing is written before `write` is called."""

    def __init__(self, model: type[Run], run_id: str) -> None:
        super().__init__()
        self.run_id = run_id
        self._runs = model._default_manager.filter(pk=run_id)
        self._model = log_model(model)
        self._fresh, self._kept = BoundedLines(), BoundedLines()
        self._written_at: datetime | None = None
        # taken for as long as a line is added; the other one by the thread with the heartbeats or that of the run
        self._collecting, self._writing = threading.RLock(), threading.Lock()
        # with the offset: the row is read on other machines, and after the clocks have changed
        self.setFormatter(_Format("{asctime} {levelname} {name} {message}", "%Y-%m-%dT%H:%M:%S%z", style="{"))

    def emit(self, record: logging.LogRecord) -> None:
        if RUN_ID.get() != self.run_id:
            return
        try:
            self.add(line_of(self, record).split("\n"))
        except Exception:  # no memory: logging must not stop a run
            self._fresh.left_out += 1

    def add(self, lines: Iterable[str]) -> None:
        with self._collecting:
            for line in lines:
                self._fresh.add(line if len(line) <= LONGEST_LINE else f"{line[:LONGEST_LINE]} {CUT}")

    def unwritten(self) -> list[str]:
        """Return the lines that the row does not hold yet."""
        with self._collecting:
            return [*self._fresh.first, *self._fresh.last]

    def write(self) -> None:
        """Write what was logged since the last call. After an error, which is raised, the next call does."""
        with self._writing:
            with self._collecting:
                fresh, self._fresh = self._fresh, BoundedLines()
            # a run that could not be made has no row
            if not fresh or (self._written_at is None and not self._runs.exists()):
                return
            try:
                while not self._write(fresh):
                    # another process has written: one that recovers the run, or that was taken for dead
                    self._written_at = None
            except BaseException:
                with self._collecting:
                    fresh.extend(self._fresh)
                    self._fresh = fresh
                raise

    def try_to_write(self) -> None:
        """Do what `write` does, at the end of a run, and log its error."""
        try:
            self.write()
        # the end is recorded, or is on its way as an exception; the lines are in the log of the site
        except Exception as error:
            audit.crashed("run.log-not-kept", error, run=self.run_id)

    def _write(self, fresh: BoundedLines) -> bool:
        """Add `fresh` to the row; False when that has changed since this object last read or wrote it."""
        rows, now, before = self._model._default_manager.filter(pk=self.run_id), timezone.now(), self._written_at
        if before is None and (row := rows.first()) is not None:
            self._kept, before = BoundedLines.of_row(row), row.written_at
        kept = self._kept.copy()
        kept.extend(fresh)
        columns = kept.columns() | {"written_at": now}
        if before is None:
            # PostgreSQL refuses what follows a failed statement of an outer transaction
            with transaction.atomic():
                self._model._default_manager.create(**columns | {"run_id": self.run_id})
        elif not rows.filter(written_at=before).update(**columns):
            return False
        self._kept, self._written_at = kept, now
        return True


class _Format(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return printable_lines(redact_cut(super().format(record), first=FIRST, last=LAST))


_CURRENT: ContextVar[LogLines | None] = ContextVar("log_lines", default=None)


@contextmanager
def kept_log(model: type[Run], run_id: str) -> Iterator[LogLines]:
    """Keep what is logged meanwhile, in this context, beside the row of the run, whatever ends the block.

    The lines of a step that is a run of its own, such as a safety backup, are kept with that.
    """
    if (outer := current_log(run_id)) is not None:
        yield outer
        return
    lines, root = LogLines(model, run_id), logging.getLogger()
    token = _CURRENT.set(lines)
    root.addHandler(lines)
    recorded = True
    try:
        with logged_as(RUN_ID, run_id):
            yield lines
    except Unrecorded:
        # the database takes nothing: what it lacks lies beside the workspace, with the end of the run
        recorded = False
        raise
    finally:
        with defer_signals():
            root.removeHandler(lines)
            _CURRENT.reset(token)
            if recorded:
                lines.try_to_write()


def current_log(run_id: str) -> LogLines | None:
    """Return what collects the lines of that run in this context."""
    lines = _CURRENT.get()
    return lines if lines is not None and lines.run_id == run_id else None


def log_model(model: type[Run]) -> type[RunLog]:
    return LOGS[model]


def log_of(run: Run) -> RunLog | None:
    """Return the log of `run`; None for one that has none, as those of earlier versions."""
    return log_model(type(run))._default_manager.filter(pk=run.pk).first()


def lines_of(text: str) -> list[str]:
    """Return the lines of a column of a log."""
    return text.split("\n") if text else []
