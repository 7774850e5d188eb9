"""The bytes of an upload on their way to a disk."""

import os
from collections.abc import Iterable
from contextlib import suppress

from destinations.backends.local.os_errors import translated

# of a file, as soon as they are written: the disk begins with them while what follows is written
FLUSH_BYTES = 8 * 1024 * 1024
# of one write: the cache takes memory in pieces as large, and large ones lie in memory that a virtual machine has given
# back to its host, which takes up to ten times as long to supply as the bytes to copy
WRITE_BYTES = 128 * 1024


def write_blocks(descriptor: int, blocks: Iterable[bytes], where: str) -> None:
    """Write the blocks to the file, which is called `where` in errors; a flush has to follow."""
    written = begun = 0
    for block in blocks:
        view = memoryview(block)
        with translated("write", where):
            while view:
                view = view[os.write(descriptor, view[:WRITE_BYTES]) :]
        written += len(block)
        if written - begun >= FLUSH_BYTES:
            # of advice that pages are not needed, the system follows the first half for those that are not on the disk
            # yet: it begins to write them. What goes wrong is an error of the flush
            with suppress(OSError):
                os.posix_fadvise(descriptor, begun, written - begun, os.POSIX_FADV_DONTNEED)
            begun = written
