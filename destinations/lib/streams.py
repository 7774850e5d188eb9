"""Protocols of readers and writers of bytes: files, and wrappers that count, hash, encrypt or skip."""

import io
from typing import Any, Protocol, TypeAlias

BytesLike: TypeAlias = bytes | bytearray | memoryview


class Source(Protocol):
    """A read may return fewer bytes than requested, and none at the end."""

    def read(self, size: int, /) -> bytes | None: ...


class SkippingSource(Source, Protocol):
    """A source that can also pass over bytes."""

    def seek(self, offset: int, whence: int, /) -> object: ...


class Sink(Protocol):
    """Is written to: returns how many bytes it took, which may be fewer than it was given."""

    def write(self, data: Any, /) -> int: ...


class FlushingSink(Sink, Protocol):
    def flush(self) -> None: ...


def write_all(target: Sink, data: BytesLike) -> None:
    """Write all of `data`: one write to an unbuffered file may be short.

    A full disk takes a part of it first, and only the next write raises the reason.
    """
    view = memoryview(data)
    while view:
        written = target.write(view)
        # a file-like object that returns nothing has written everything
        if written is None and not isinstance(target, io.RawIOBase):
            return
        if not written:
            raise BlockingIOError("The target takes no more data.")
        view = view[written:]
