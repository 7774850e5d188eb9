"""Copies and checksums of files that other processes may be writing to."""

import hashlib
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import BinaryIO

from backups.errors import ComponentError
from backups.lib.filesystem.atomic import create_private
from backups.lib.paths import missing, no_file, unreadable
from destinations.lib.streams import Sink

BLOCK = 1 << 20


def copy_stable(source: Path, target: Path, checkpoint: Callable[[int], None]) -> os.stat_result:
    """Copy `source` to the new file `target` (0600); return the stat of `source`.

    Raises ComponentError when `source` changes while it is read.
    """
    with open_regular(source) as reading, create_private(target) as writing:
        before = os.fstat(reading.fileno())
        copy_unchanged(reading.fileno(), before, writing, lambda: source, checkpoint)
        return os.fstat(reading.fileno())


def open_regular(path: Path) -> BinaryIO:
    """Open a regular file for reading; raises ComponentError for anything else."""
    try:
        # O_NONBLOCK: opening a named pipe without a writer would block
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError as error:
        raise missing(path) from error
    except OSError as error:
        raise unreadable(path, error) from error
    file = os.fdopen(descriptor, "rb", buffering=0)
    if not os.path.isfile(file.fileno()):  # noqa: PTH113 - of the open descriptor, not of the path
        file.close()
        raise no_file(path)
    return file


def copy_unchanged(
    reading: int,
    before: os.stat_result,
    writing: Sink,
    path: Callable[[], Path],
    checkpoint: Callable[[int], None],
    segments: Iterable[tuple[int, int]] | None = None,
) -> None:
    """Copy as many bytes as the open file had in `before`, its stat, or only `segments`, each an offset and a length.

    `checkpoint` gets the bytes of each block and may raise. Raises ComponentError that names `path` when size or
    modification time are others at the end.
    """
    missing_bytes = 0
    for offset, length in [(0, before.st_size)] if segments is None else segments:
        left = length
        while left:
            try:
                block = os.pread(reading, min(BLOCK, left), offset + length - left)
            except OSError as error:
                raise unreadable(path(), error) from error
            if not block:
                break
            writing.write(block)
            left -= len(block)
            checkpoint(len(block))
        missing_bytes += left
    # of the open file: another one may have its name by the end
    after = os.fstat(reading)
    if missing_bytes or (after.st_size, after.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
        raise ComponentError(
            f"{path()} changed while it was read.",
            hint="Back it up when nothing writes to it, or leave it out of the component.",
        )


def matches_checksum(path: Path, checksum: str) -> bool:
    """True when `path` is a file whose SHA-256 is `checksum` (hexadecimal)."""
    return path.is_file() and sha256_of(path, lambda _: None) == checksum


def sha256_of(path: Path, checkpoint: Callable[[int], None]) -> str:
    """Return the SHA-256 in hexadecimal; `checkpoint` gets the bytes of each block and may raise."""
    digest = hashlib.sha256()
    buffer = memoryview(bytearray(BLOCK))
    with path.open("rb", buffering=0) as file:
        while size := file.readinto(buffer):
            digest.update(buffer[:size])
            checkpoint(size)
    return digest.hexdigest()
