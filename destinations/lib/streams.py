"""Protocols of readers and writers of bytes: files, and wrappers that count, hash, encrypt or skip."""

from typing import Any, Protocol


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
