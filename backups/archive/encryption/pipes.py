"""A program as a file object: to write through, or to read from, at constant memory and without a deadlock.

Threads take what the program writes while the caller feeds it, so that neither waits for the other.
"""

import io
import os
import select
import subprocess
from collections.abc import Sequence
from threading import Thread
from types import TracebackType
from typing import IO, Any, BinaryIO, Self, cast

from backups.archive.encryption.base import EncryptionError
from backups.archive.encryption.process import LOOK_SECONDS, Running, read_some
from destinations.lib.streams import Sink


class PipedWriter:
    """Passes what is written through the program into `target`, which stays open.

    `close` waits for the end of the program and raises EncryptionError unless it ended well and wrote something that
    does not begin with one of `refused`; `abort` kills it. Errors of `target` are raised as they are.
    """

    def __init__(self, argv: Sequence[str], target: Sink, *, refused: tuple[bytes, ...]) -> None:
        self._target, self._refused = target, refused
        self._running = Running(argv, subprocess.PIPE)
        # it is a pipe, as asked for
        self._stdin = cast("IO[bytes]", self._running.process.stdin)
        self._error: BaseException | None = None
        self._wrote = b""
        os.set_blocking(self._stdin.fileno(), False)
        self._closed = False
        self._copier = Thread(target=self._copy, name=f"{self._running.name}-stdout")
        self._copier.start()

    def _copy(self) -> None:
        try:
            while data := read_some(self._running.process.stdout):
                self._running.moved()
                self._wrote = self._wrote or data[:16]
                view = memoryview(data)
                while view:
                    view = view[self._target.write(view) :]
        except BaseException as error:  # raised by the next write, or by close, in the thread that packs
            self._error = error
            self._running.process.kill()

    def write(self, data: Any, /) -> int:
        view = memoryview(data).cast("B")
        size = len(view)
        try:
            while view:
                self._running.await_ready(self._stdin, select.POLLOUT)
                view = view[self._stdin.write(view) or 0 :]
                self._running.moved()
        except BrokenPipeError:
            raise self._ended_early() from None
        return size

    def _ended_early(self) -> BaseException:
        self._copier.join()
        if self._error is not None:
            return self._error
        try:
            self._running.wait()
        except EncryptionError as error:
            return error
        return self._running.failure("ended before it had read everything")

    def flush(self) -> None:
        """Do nothing: what the program holds back is its own business until the end."""

    def close(self) -> None:
        if self._closed:
            return
        try:
            self._finish()
        finally:
            self.abort()

    def _finish(self) -> None:
        self._stdin.close()
        self._running.moved()
        while self._copier.is_alive():
            self._copier.join(LOOK_SECONDS)
            self._running.check_moving()
        if self._error is not None:
            raise self._error
        self._running.wait()
        if not self._wrote or self._wrote.startswith(self._refused):
            raise self._running.failure("wrote the archive as it was" if self._wrote else "wrote nothing")

    def abort(self) -> None:
        if not self._closed:
            self._closed = True
            self._running.kill()
            self._copier.join()
            self._running.close()


class PipedReader(io.RawIOBase):
    """What the program makes of the file `source`, which is its standard input.

    A read that returns nothing says that the program ended well; otherwise that read raises EncryptionError. Leaving
    the context kills a program that is still at work.
    """

    def __init__(self, argv: Sequence[str], source: BinaryIO) -> None:
        self._running = Running(argv, source)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        stdout: Any = self._running.process.stdout
        self._running.await_ready(stdout, select.POLLIN)
        size = int(stdout.readinto(buffer))
        self._running.moved()
        if size == 0 and len(buffer):
            self._running.wait()
        return size

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._running.kill()
        self._running.close()
        self.close()
