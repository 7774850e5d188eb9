"""Reads of complete buffers through any binary file object."""

import io
from collections.abc import Callable
from typing import Any

from destinations.lib.streams import Source

_BUFFER = 64 * 1024


class _Borrowed(io.RawIOBase):
    """Wraps a file object of the caller, which stays open when this is closed or collected."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._readinto: Callable[[Any], int | None] | None = getattr(source, "readinto", None)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill `buffer`; less only at the end of the file."""
        done = 0
        # a pipe returns what it has, and a peek needs all that it asks for
        while done < len(buffer):
            rest = buffer[done:]
            if self._readinto is not None:
                size = self._readinto(rest)
            else:
                data = self._source.read(len(rest))
                size = None if data is None else len(data)
                if data:
                    rest[:size] = data
            if size is None:
                raise BlockingIOError("A source in non-blocking mode cannot be read.")
            if not size:
                break
            done += size
        return done


def borrow(source: Source) -> io.BufferedReader:
    """Return a buffered reader of `source` that does not close it."""
    return io.BufferedReader(_Borrowed(source), _BUFFER)
