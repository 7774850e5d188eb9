"""Compressing a file behind the one that writes it from its beginning to its end."""

import os
from array import array
from collections.abc import Iterator
from pathlib import Path
from queue import SimpleQueue
from threading import Thread

from isal import isal_zlib

from backups.archive.compression.write import BLOCK_BYTES, Compressor
from backups.archive.tar.members import Body, unreadable

# what was written last may still be in a buffer of the writer
BLOCKS_BEHIND = 8
# of the content: its header is rewritten at the end, the first block of a member is the header of the tar
FIRST = 1


class Growing:
    """Compresses blocks of the file `source` into the new file `path` while `source` grows.

    They count only where `holds` finds that they are as they were: the writer may change any of them later.
    """

    def __init__(self, source: Path, path: Path, compressor: Compressor) -> None:
        self._body, self._compressor = Body(path), compressor
        # here, while it is there: a copy that fails is removed
        self._file, self._source = source.open("rb", buffering=0), source
        self._sums = array("Q")
        self._stored = 0
        self._ended = False
        # a signal that is handled inside of a Condition would leave it locked, and the thread waiting for ever
        self._sizes = SimpleQueue[int]()
        self._error: BaseException | None = None
        self._thread = Thread(target=self._run, name="compress-ahead", daemon=True)
        self._thread.start()

    def written(self, size: int) -> None:
        """Note that the first `size` bytes of the file are written."""
        self._sizes.put(size)

    def finish(self) -> Body:
        """End the thread and return what it wrote. Raises the error that stopped it."""
        self.stop()
        if self._error is not None:
            raise self._error
        return self._body

    def stop(self) -> None:
        self._ended = True
        self._sizes.put(0)
        self._thread.join()

    def discard(self) -> None:
        """End the thread, and remove what it wrote."""
        self.stop()
        self._body.path.unlink()

    def holds(self, number: int, block: bytes) -> bool:
        """Return whether the compressed block `number` of the member is that of `block`."""
        place = number - 1 - FIRST
        return 0 <= place < self._stored and len(block) == BLOCK_BYTES and _sum(block) == self._sums[place]

    def _run(self) -> None:
        try:
            for data in self._compressor.stream(self._blocks()):
                self._body.store(self._stored + 1 + FIRST, data)
                self._stored += 1
        except BaseException as error:  # raised again by `finish`
            self._error = error

    def _blocks(self) -> Iterator[bytes]:
        with self._file as file:
            number = FIRST
            while not self._ended:
                complete = self._sizes.get() // BLOCK_BYTES - BLOCKS_BEHIND
                while number < complete and not self._ended:
                    try:
                        block = os.pread(file.fileno(), BLOCK_BYTES, number * BLOCK_BYTES)
                    except OSError as error:
                        raise unreadable(self._source, error) from error
                    if len(block) < BLOCK_BYTES:
                        return
                    self._sums.append(_sum(block))
                    yield block
                    number += 1


def _sum(block: bytes) -> int:
    # two of 32 bits: one alone would take a changed block for the old one in 1 of 4 billion cases
    return int(isal_zlib.crc32(block)) << 32 | int(isal_zlib.adler32(block))
