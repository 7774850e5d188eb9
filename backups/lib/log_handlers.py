"""Log handlers whose failures are reported and never raised into the work that logs."""

import errno
import logging
import os
import stat
import time
from pathlib import Path

from destinations.lib.terminal import write_to_stderr

HINT = (
    "Give the user of this process write permission and space there. Until then the lines of the log go to its "
    "standard error."
)


class StandardError(logging.Handler):
    """Writes to standard error; a line that cannot be written is dropped."""

    def emit(self, record: logging.LogRecord) -> None:
        write_to_stderr(line_of(self, record))


class LogFile(logging.Handler):
    """Appends to a file that may be rotated, removed, full or not writable at any time.

    A line that cannot be written goes to standard error, with one warning. Each line tries the file again; the first
    that is written is preceded by the event ``log.gap`` with the number of missing lines. `problem` is the reason why
    the file cannot be written, "" when it can.
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
        line = line_of(self, record)
        try:
            self._write(f"{self._gap_line()}{line}\n")
        except Exception as error:  # also MemoryError: logging must not stop a backup
            self._close_descriptor()
            problem = self._describe(error)
            if problem != self.problem:
                write_to_stderr(f"WARNING {problem} Until it can be written, its lines go to standard error.")
            self.problem = problem
            self._since = self._since or time.strftime("%Y-%m-%dT%H:%M:%S%z")
            self._missed += 1
            # the other handler has written this line there already
            if not any(isinstance(handler, StandardError) for handler in logging.getLogger().handlers):
                self._lost += not write_to_stderr(line)
        else:
            self._reset()

    def check(self) -> str:
        """Return the present `problem`. Writes nothing except the ``log.gap`` line of an outage that has ended."""
        self.acquire()
        try:
            if self.problem:
                self._write(self._gap_line())
                self._reset()
            else:
                _require_writable(self.path)
        except OSError as error:
            return self._describe(error)
        finally:
            self.release()
        return ""

    def close(self) -> None:
        self._close_descriptor()
        super().close()

    def _write(self, text: str) -> None:
        if self._descriptor is not None:
            try:
                rotated = not os.path.samestat(os.fstat(self._descriptor), self.path.stat())
            except FileNotFoundError:
                rotated = True
            if rotated:
                self._close_descriptor()
        if self._descriptor is None:
            # opening a named pipe without a reader would block; once open it is written in blocking mode
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK
            self._descriptor = os.open(self.path, flags, 0o600)
            os.set_blocking(self._descriptor, True)
        data = text.encode("utf-8", "backslashreplace")
        if self._torn:
            data = b"\n" + data
        # unbuffered: a buffer would write again later what a full disk did not take
        while data:
            written = os.write(self._descriptor, data)
            data = data[written:]
            self._torn = bool(data)

    def _close_descriptor(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _reset(self) -> None:
        self.problem = self._since = ""
        self._missed = self._lost = 0

    def _gap_line(self) -> str:
        if not self.problem:
            return ""
        fields = f"log.gap lines={self._missed} lost={self._lost} since={self._since}"
        record = logging.LogRecord("backups", logging.WARNING, "", 0, fields, None, None)
        return line_of(self, record) + "\n"

    def _describe(self, error: Exception) -> str:
        reason = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else type(error).__name__
        return f"The log file {self.path} cannot be written: {reason}."


def log_problem() -> str:
    """Return why the log file of this process cannot be written now, "" when it can or when there is none."""
    files = (handler for handler in logging.getLogger().handlers if isinstance(handler, LogFile))
    return next((problem for handler in files if (problem := handler.check())), "")


def line_of(handler: logging.Handler, record: logging.LogRecord) -> str:
    """Return `record` in the format of `handler`; for one that cannot be formatted, a line that says so."""
    try:
        return handler.format(record)
    except Exception as error:  # arguments that do not fit the message, an object whose __str__ raises
        return f"{record.levelname} {record.name} a line of the log could not be formatted: {type(error).__name__}"


def _require_writable(path: Path) -> None:
    """Raise OSError unless `path` can be written or created."""
    # it is not created here: this process may run as another user than those that log
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK)
    except FileNotFoundError:
        if not path.parent.is_dir():
            raise
        if not os.access(path.parent, os.W_OK | os.X_OK, effective_ids=True):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES)) from None
        return
    try:
        space = os.fstatvfs(descriptor)
        # root may use the reserved blocks
        free = space.f_bavail if os.geteuid() else space.f_bfree
        if stat.S_ISREG(os.fstat(descriptor).st_mode) and space.f_blocks and not free:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    finally:
        os.close(descriptor)
