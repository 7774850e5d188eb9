"""File objects that write through a program, or read from it, at constant memory."""

import io
import os
import select
import subprocess
from collections.abc import Sequence
from threading import Thread
from types import TracebackType
from typing import IO, Any, BinaryIO, Self, cast

from backups.archive.encryption.process import POLL_SECONDS, Running, read_some
from destinations.lib.streams import Sink, write_all


class PipedWriter:
    """Writes to the standard input of a program, whose standard output is copied to `target`, which stays open.

    `close` waits for the program and raises EncryptionError when it fails, writes nothing or writes data that begins
    with one of `refused`; `abort` kills it. Errors of `target` are raised unchanged.
    """

    def __init__(self, argv: Sequence[str], target: Sink, *, refused: tuple[bytes, ...]) -> None:
        self._target, self._refused = target, refused
        self._running = Running(argv, subprocess.PIPE)
        # not None, because it is a pipe
        self._stdin = cast("IO[bytes]", self._running.process.stdin)
        self._error: BaseException | None = None
        self._wrote = b""
        # a blocking write could not be given up when the program stalls
        os.set_blocking(self._stdin.fileno(), False)
        self._closed = False
        # a thread of its own: the program may have to write before it can read more
        self._copier = Thread(target=self._copy, name=f"{self._running.name}-stdout")
        self._copier.start()

    def _copy(self) -> None:
        try:
            while data := read_some(self._running.process.stdout):
                self._running.moved()
                self._wrote = self._wrote or data[:16]
                write_all(self._target, data)
        except BaseException as error:  # raised again by write or close in the thread of the caller
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
            # the reason is an error of the copying thread, the failure of the program, or its early end
            self._copier.join()
            if self._error is not None:
                raise self._error from None
            self._running.wait()
            raise self._running.failure("ended before it had read everything") from None
        return size

    def flush(self) -> None:
        """Do nothing: a program cannot be asked to write what it buffers."""

    def close(self) -> None:
        if self._closed:
            return
        try:
            self._stdin.close()
            self._running.moved()
            while self._copier.is_alive():
                self._copier.join(POLL_SECONDS)
                self._running.check_moving()
            if self._error is not None:
                raise self._error
            self._running.wait()
            if not self._wrote or self._wrote.startswith(self._refused):
                raise self._running.failure("wrote the archive as it was" if self._wrote else "wrote nothing")
        finally:
            self.abort()

    def abort(self) -> None:
        if not self._closed:
            self._closed = True
            self._running.kill()
            self._copier.join()
            self._running.close()


class PipedReader(io.RawIOBase):
    """Reads the standard output of a program whose standard input is the file `source`.

    At the end of the output a read returns nothing when the program succeeded and raises EncryptionError when it
    failed. Leaving the context kills a program that is still running.
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
