"""Where lines of the log go. Logging is for information only: whatever fails here ends no work."""

import errno
import logging
import os
import stat
import time
from pathlib import Path

from destinations.lib.terminal import complain

HINT = "let the user of this process write there; until then the lines of the log go to its standard error"


class StandardError(logging.Handler):
    """Writes to standard error, as long as that can be written."""

    def emit(self, record: logging.LogRecord) -> None:
        complain(_line(self, record))


class LogFile(logging.Handler):
    """Appends to a file that may be moved away, removed, full or forbidden at any time.

    A line that the file does not take goes to standard error, which says so once. The next line tries again: as soon as
    the file takes one, that begins with how many it lacks. `problem` is why it cannot be written, "" when it can.
    """

    def __init__(self, filename: str) -> None:
        super().__init__()
        self.path = Path(filename).absolute()
        self.problem = ""
        self._descriptor: int | None = None
        self._torn = False
        self._missed = self._lost = 0
        self._since = ""

    def emit(self, record: logging.LogRecord) -> None:
        line = _line(self, record)
        try:
            self._write(f"{self._gap()}{line}\n")
        except Exception as error:  # not even a lack of memory in here is a reason to end the work
            self._failed(line, error)
        else:
            self._works()

    def look(self) -> str:
        """Return `problem`, as it is now: without writing a line unless some are missing."""
        self.acquire()
        try:
            if self.problem:
                self._write(self._gap())
                self._works()
            else:
                _require_writable(self.path)
        except OSError as error:
            return self._sentence(error)
        finally:
            self.release()
        return ""

    def close(self) -> None:
        self._let_go()
        super().close()

    def _write(self, text: str) -> None:
        if self._descriptor is not None and self._was_moved(self._descriptor):
            self._let_go()
        if self._descriptor is None:
            self._descriptor = _opened(self.path)
        data = text.encode("utf-8", "backslashreplace")
        if self._torn:
            data = b"\n" + data
        # unbuffered: what a full disk did not take must not come twice later
        while data:
            written = os.write(self._descriptor, data)
            data = data[written:]
            self._torn = bool(data)

    def _was_moved(self, descriptor: int) -> bool:
        try:
            return not os.path.samestat(os.fstat(descriptor), self.path.stat())
        except FileNotFoundError:
            return True

    def _let_go(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _failed(self, line: str, error: Exception) -> None:
        self._let_go()
        problem = self._sentence(error)
        if problem != self.problem:
            complain(f"WARNING {problem} Until it can be written, its lines go to standard error.")
        self.problem = problem
        self._since = self._since or time.strftime("%Y-%m-%dT%H:%M:%S%z")
        self._missed += 1
        if not _is_on_stderr():
            self._lost += not complain(line)

    def _works(self) -> None:
        self.problem = self._since = ""
        self._missed = self._lost = 0

    def _gap(self) -> str:
        if not self.problem:
            return ""
        fields = f"log.gap lines={self._missed} lost={self._lost} since={self._since}"
        record = logging.LogRecord("backups", logging.WARNING, "", 0, fields, None, None)
        return _line(self, record) + "\n"

    def _sentence(self, error: Exception) -> str:
        reason = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else type(error).__name__
        return f"The log file {self.path} cannot be written: {reason}."


def log_problem() -> str:
    """Return why the log file of this process cannot be written now; nothing when it can, or when there is none."""
    files = (handler for handler in logging.getLogger().handlers if isinstance(handler, LogFile))
    return next((problem for handler in files if (problem := handler.look())), "")


def _line(handler: logging.Handler, record: logging.LogRecord) -> str:
    try:
        return handler.format(record)
    except Exception as error:  # a call that fits its text badly, an object that cannot be shown
        return f"{record.levelname} {record.name} a line of the log could not be made: {type(error).__name__}"


def _is_on_stderr() -> bool:
    return any(isinstance(handler, StandardError) for handler in logging.getLogger().handlers)


def _opened(path: Path) -> int:
    # a pipe that is not read would block here; once open it is written like any other
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK
    descriptor = os.open(path, flags, 0o600)
    os.set_blocking(descriptor, True)
    return descriptor


def _require_writable(path: Path) -> None:
    """Raise OSError unless `path` can be written. It is not made: whoever looks may be another user than who logs."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK)
    except FileNotFoundError:
        if not path.parent.is_dir():
            raise
        if not os.access(path.parent, os.W_OK | os.X_OK, effective_ids=True):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES)) from None
        return
    try:
        room = os.fstatvfs(descriptor)
        free = room.f_bavail if os.geteuid() else room.f_bfree
        if stat.S_ISREG(os.fstat(descriptor).st_mode) and room.f_blocks and not free:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    finally:
        os.close(descriptor)
