"""Reading and writing whole buffers through any binary file object."""

import io
from collections.abc import Callable
from typing import Any, TypeAlias

from destinations.lib.streams import Sink, Source

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
