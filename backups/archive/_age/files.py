"""Reading and writing whole buffers through any binary file object."""

import io
from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread
from types import TracebackType
from typing import Any, Self, TypeAlias

from destinations.streams import Sink, Source

BytesLike: TypeAlias = bytes | bytearray | memoryview

_BUFFER = 64 * 1024


class _Borrowed(io.RawIOBase):
    """A view of somebody else's file object, which stays open when this is closed or collected."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._readinto: Callable[[Any], int | None] | None = getattr(source, "readinto", None)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill `buffer` but for the end of the file: a pipe gives what it has, and a peek shall see all it asks for."""
        done = 0
        while done < len(buffer) and (size := self._read_some(buffer[done:])):
            done += size
        return done

    def _read_some(self, buffer: memoryview) -> int:
        if self._readinto is not None:
            size = self._readinto(buffer)
        else:
            data = self._source.read(len(buffer))
            size = None if data is None else len(data)
            buffer[:size] = data or b""
        if size is None:
            raise BlockingIOError("a source in non-blocking mode cannot be told from one that has ended")
        return size


def borrow(source: Source) -> io.BufferedReader:
    """Return a buffered reader of `source` that never closes it."""
    return io.BufferedReader(_Borrowed(source), _BUFFER)


def write_all(target: Sink, data: BytesLike) -> None:
    """Write every byte of `data`: an unbuffered file may take only a part at a time."""
    view = memoryview(data)
    while view:
        written = target.write(view)
        if written is None and not isinstance(target, io.RawIOBase):
            return
        if not written:
            raise BlockingIOError("the target takes no more data")
        view = view[written:]


class WriteBehind:
    """Writes to `target` in a thread, while the caller fills the next buffer: writing takes as long as encrypting.

    What `write` was given must stay as it is until the next call returns, so callers alternate between two buffers.
    The error of a write is raised by the next one, or when the context is left; leaving always waits for the thread.
    """

    def __init__(self, target: Sink) -> None:
        self._target = target
        self._buffers: SimpleQueue[memoryview | None] = SimpleQueue()
        self._outcomes: SimpleQueue[BaseException | None] = SimpleQueue()
        self._pending = False
        self._thread = Thread(target=self._write_buffers, name="age-write")

    def write(self, data: BytesLike, /) -> int:
        self._settle()
        self._pending = True
        self._buffers.put(memoryview(data))
        return len(data)

    def _settle(self) -> None:
        """Wait for the write under way, and raise its error."""
        if self._pending:
            self._pending = False
            error = self._outcomes.get()
            if error is not None:
                raise error

    def _write_buffers(self) -> None:
        while (data := self._buffers.get()) is not None:
            try:
                write_all(self._target, data)
            except BaseException as error:
                self._outcomes.put(error)
            else:
                self._outcomes.put(None)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._buffers.put(None)
        self._thread.join()
        if kind is None:
            self._settle()
