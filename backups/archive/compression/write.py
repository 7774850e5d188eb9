"""Compression of archives, with the registry of its kinds."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType
from typing import Protocol, cast

from isal import igzip_threaded

from backups.archive.errors import ArchiveError, NotPossibleHere
from destinations.lib.streams import FlushingSink

BLOCK_BYTES = 1024 * 1024
MIN_LEVEL, MAX_LEVEL = 1, 9
# gzip's levels 1-9 mapped to ISA-L's 0-3. A 500 MB accounting database with two threads: 0 gives 32% in 1.0 s, 1 and 2
# give 28% in 1.0 s, 3 gives 27.8% in 1.5 s; gzip -6 gives 26% in 15 s.
_ISAL_LEVELS = {1: 0, 2: 1, 3: 1, 4: 2, 5: 2, 6: 2, 7: 3, 8: 3, 9: 3}
# higher levels of zstd need hundreds of MB and minutes where this one needs 70 MB and seconds
_MAX_ZSTD_LEVEL = 8


class Compressor(Protocol):
    def write(self, data: bytes, /) -> int: ...

    def close(self) -> None:
        """Finish the stream and end its threads; the target stays open."""


@dataclass(frozen=True, slots=True)
class Compression:
    name: str
    extension: str
    open_writer: Callable[[FlushingSink, int], Compressor]


# the library's function has no annotations
_open_gzip = cast("Callable[..., Compressor]", igzip_threaded.open)


def _threads() -> int:
    return max(2, min(4, len(os.sched_getaffinity(0))))


class _LateHeader:
    """Delays the gzip header to the first block: the library writes it before its threads are running."""

    def __init__(self, target: FlushingSink) -> None:
        self._target = target
        self._header: bytes | None = None

    def write(self, data: bytes) -> int:
        if self._header is None:
            self._header = bytes(data)
            return len(data)
        if self._header:
            self._target.write(self._header)
            self._header = b""
        return self._target.write(data)

    def flush(self) -> None:
        self._target.flush()


def _open_gzip_writer(target: FlushingSink, level: int) -> Compressor:
    # its header has neither time nor file name, so that equal input gives equal archives
    return _open_gzip(
        _LateHeader(target), "wb", compresslevel=_ISAL_LEVELS[level], threads=_threads(), block_size=BLOCK_BYTES
    )


def zstandard_module() -> ModuleType:
    """Return the optional `zstandard` package; raises NotPossibleHere where it is not installed."""
    try:
        return import_module("zstandard")
    except ImportError as error:
        raise NotPossibleHere(
            "Archives in zstd need the Python package zstandard, which is not installed.",
            hint="Run 'pip install zstandard'.",
        ) from error


def _open_zstd_writer(target: FlushingSink, level: int) -> Compressor:
    compressor = zstandard_module().ZstdCompressor(
        level=min(level, _MAX_ZSTD_LEVEL), threads=_threads(), write_checksum=True
    )
    return cast("Compressor", compressor.stream_writer(target, closefd=False))


COMPRESSIONS: Mapping[str, Compression] = {
    "gzip": Compression("gzip", ".tar.gz", _open_gzip_writer),
    "zstd": Compression("zstd", ".tar.zst", _open_zstd_writer),
}


def get_compression(name: str) -> Compression:
    try:
        return COMPRESSIONS[name]
    except KeyError as error:
        raise ArchiveError(
            f"There is no compression named {name!r}.", hint=f"Use one of: {', '.join(COMPRESSIONS)}."
        ) from error


def open_writer(name: str, target: FlushingSink, level: int) -> Compressor:
    """Open a compressing writer; `level` is 1 (fast) to 9 (small). The caller closes it, also after an error."""
    compression = get_compression(name)
    if not MIN_LEVEL <= level <= MAX_LEVEL:
        raise ArchiveError(f"There is no compression level {level}.", hint="Use a level from 1 (fast) to 9 (small).")
    return compression.open_writer(target, level)
