"""Holes of files: the map of a sparse file in the PAX format 1.0 of GNU tar, and finding the holes of a live one."""

import errno
import os
from collections.abc import Callable, Iterator

from backups.components.files.format.header import TAR_BLOCK, MalformedHeaderError, count
from backups.errors import ComponentError
from backups.lib.filesystem.walk import TreeEntry

# offset and length of data; what lies between is a hole
Segment = tuple[int, int]
MOST_SEGMENTS = 100_000
LONGEST_NUMBER = 24
SMALLEST_HOLE = 4096


def encode_map(segments: list[Segment], size: int) -> bytes:
    """Return the map that precedes the data of a sparse file of `size` bytes, padded to whole blocks."""
    # one of length 0 says where the file ends
    ending = [] if segments and sum(segments[-1]) == size else [(size, 0)]
    numbers = [len(segments) + len(ending), *(number for segment in (*segments, *ending) for number in segment)]
    text = b"".join(b"%d\n" % number for number in numbers)
    return text + bytes(-len(text) % TAR_BLOCK)


def decode_map(block: Callable[[], bytes], size: int) -> tuple[list[Segment], int]:
    """Read the map of a file of `size` bytes; return its segments and the bytes of their data.

    `block` returns the next 512 bytes. Raises MalformedHeaderError.
    """
    numbers = _numbers(block)
    length = next(numbers)
    if length > MOST_SEGMENTS + 1:
        raise MalformedHeaderError(f"a file has more than {MOST_SEGMENTS:,} segments")
    segments, end, data = list[Segment](), 0, 0
    for _ in range(length):
        offset, bytes_ = next(numbers), next(numbers)
        if offset < end or offset + bytes_ > size:
            raise MalformedHeaderError("the map of a file with holes is malformed")
        end, data = offset + bytes_, data + bytes_
        if bytes_:
            segments.append((offset, bytes_))
    return segments, data


def _numbers(block: Callable[[], bytes]) -> Iterator[int]:
    rest = b""
    while True:
        line, found, rest = rest.partition(b"\n")
        while not found:
            if len(line) > LONGEST_NUMBER:
                raise MalformedHeaderError("the map of a file with holes is malformed")
            more, found, rest = block().partition(b"\n")
            line += more
        yield count(line)


def segments_of(descriptor: int, info: os.stat_result) -> list[Segment] | None:
    """Return where the open file has data; None when it has no holes, or not enough to be worth a map."""
    size = info.st_size
    if info.st_blocks * TAR_BLOCK >= size or size < SMALLEST_HOLE:
        return None
    smallest = 1
    while True:
        if (found := _segments(descriptor, size, smallest)) is not None:
            return None if found == [(0, size)] else found
        # so fragmented that its map would be large: its small holes are stored as zeros
        smallest = max(SMALLEST_HOLE, 4 * smallest)


def stored_bytes(entry: TreeEntry) -> int:
    """Return the bytes that a tar needs for the file, without its holes."""
    if entry.info.st_blocks * TAR_BLOCK >= entry.info.st_size:
        return entry.info.st_size
    try:
        descriptor, _ = entry.open()
    except ComponentError:  # the export reports it
        return 0
    try:
        found = segments_of(descriptor, entry.info)
    finally:
        os.close(descriptor)
    return entry.info.st_size if found is None else sum(length for _, length in found)


def _segments(descriptor: int, size: int, smallest: int) -> list[Segment] | None:
    """Return the segments between holes of at least `smallest` bytes; None when there are too many of them."""
    found, at = list[Segment](), 0
    while at < size:
        try:
            start = os.lseek(descriptor, at, os.SEEK_DATA)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
            break
        # the file may have become longer
        at = min(os.lseek(descriptor, start, os.SEEK_HOLE), size)
        if start >= size:
            break
        if found and start - sum(found[-1]) < smallest:
            found[-1] = found[-1][0], at - found[-1][0]
        else:
            found.append((start, at - start))
        if len(found) > MOST_SEGMENTS:
            return None
    return found
