"""What reads and writes bytes, as far as our own code asks: files, and what counts, hashes, encrypts or skips."""

from typing import Any, Protocol


class Source(Protocol):
    """Is read to its end: a read may give fewer bytes than asked for, and none at the end."""

    def read(self, size: int, /) -> bytes | None: ...


class SkippingSource(Source, Protocol):
    """A source that can also pass over bytes."""

    def seek(self, offset: int, whence: int, /) -> object: ...


class Sink(Protocol):
    """Is written to: returns how many bytes it took, which may be fewer than it was given."""

    def write(self, data: Any, /) -> int: ...


class FlushingSink(Sink, Protocol):
    def flush(self) -> None: ...
