"""Checksums of what is moved, computed beside the thread that moves it."""

import hashlib
import threading
import weakref
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any

from isal import isal_zlib

# of smaller blocks, handing one over costs more than hashing it
LEAST_BYTES = 64 * 1024


_Handed = tuple[bytes | memoryview, Future[None]]


class Crc32:
    """The checksum of zip and gzip, with the methods of those of `hashlib`."""

    name = "crc32"

    def __init__(self, value: int = 0) -> None:
        self._value = value

    def update(self, block: bytes | memoryview) -> None:
        self._value = isal_zlib.crc32(block, self._value)

    def hexdigest(self) -> str:
        return f"{self._value:08x}"

    def copy(self) -> "Crc32":
        return Crc32(self._value)


class Digest:
    """Hashes a block in a thread of its own while the caller reads and sends the next one, never further behind.

    A block must not change until the next one was handed over, or the result was asked for.
    """

    def __init__(self, algorithm: str = "sha256") -> None:
        """`algorithm` is one of `hashlib`, or "crc32"."""
        self._hash: Any = Crc32() if algorithm == Crc32.name else hashlib.new(algorithm, usedforsecurity=False)
        self._blocks: SimpleQueue[_Handed | None] | None = None
        self._hashing: Future[None] | None = None

    def update(self, block: bytes | memoryview) -> None:
        self._settle()
        if len(block) < LEAST_BYTES:
            self._hash.update(block)
            return
        if self._blocks is None:
            self._blocks = SimpleQueue()
            # a daemon: the end of a process waits for an executor for ever when a signal came while that started its
            # thread
            threading.Thread(target=_hash_all, args=(self._hash, self._blocks), name="digest", daemon=True).start()
            # the thread ends with this object
            weakref.finalize(self, self._blocks.put, None)
        hashing = Future[None]()
        self._blocks.put((block, hashing))
        self._hashing = hashing

    def hexdigest(self) -> str:
        self._settle()
        return str(self._hash.hexdigest())

    def copy(self) -> "Digest":
        self._settle()
        other = Digest(self._hash.name)
        other._hash = self._hash.copy()
        return other

    def _settle(self) -> None:
        if (hashing := self._hashing) is not None:
            hashing.result()
            self._hashing = None


def _hash_all(digest: Any, blocks: "SimpleQueue[_Handed | None]") -> None:
    while (handed := blocks.get()) is not None:
        block, hashing = handed
        try:
            hashing.set_result(digest.update(block))
        except BaseException as error:
            hashing.set_exception(error)
        # a block of a megabyte is not kept while the next one is waited for
        del handed, block, hashing
