"""Encryption as a file object to write to."""

import os
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from backups.archive.age.header import FILE_KEY_BYTES, build_header
from backups.archive.age.identities import wrap_file_key
from backups.archive.age.payload import BATCH_CHUNKS, CHUNK_BYTES, NONCE_BYTES, SEALED_CHUNK_BYTES, ChunkCipher
from backups.archive.age.streams import BytesLike, write_all
from destinations.lib.streams import Sink


class EncryptingWriter:
    """A writable binary object that puts an age file into `target`, which stays open.

    `close()` writes the final chunk. Left by an exception, as a context manager or by a failed write, the file stays
    without its final chunk, so that no reader takes it for a whole one. Memory is constant. It is no `io.IOBase`,
    because those finish themselves when they are collected. Raises AgeKeyError when it is made.
    """

    def __init__(self, target: Sink, *, recipients: Sequence[str] = (), passphrase: str | None = None) -> None:
        file_key, nonce = os.urandom(FILE_KEY_BYTES), os.urandom(NONCE_BYTES)
        header = build_header(wrap_file_key(file_key, recipients, passphrase), file_key)
        self._target = target
        self._cipher = ChunkCipher(file_key, nonce)
        self._plain = memoryview(bytearray(BATCH_CHUNKS * CHUNK_BYTES))
        self._sealed = memoryview(bytearray(BATCH_CHUNKS * SEALED_CHUNK_BYTES))
        self._filled = 0
        self._closed = False
        write_all(target, header + nonce)

    @property
    def closed(self) -> bool:
        return self._closed

    def writable(self) -> bool:
        return True

    def flush(self) -> None:
        """Do nothing: what does not fill a chunk yet has to wait."""

    def write(self, data: BytesLike, /) -> int:
        """Take all of `data`; return its size in bytes."""
        self._check_open()
        view = memoryview(data).cast("B")
        size = len(view)
        while view:
            room = self._room()
            taken = min(len(view), len(room))
            room[:taken] = view[:taken]
            self._filled += taken
            view = view[taken:]
        return size

    def close(self) -> None:
        """Write the final chunk; do nothing when closed or aborted already."""
        if not self._closed:
            self._seal(final=True)
            self._closed = True

    def abort(self) -> None:
        """Take nothing more, and leave the target without a final chunk."""
        self._closed = True

    def _check_open(self) -> None:
        if self._closed:
            raise ValueError("write to a closed age file")

    def _room(self) -> memoryview:
        """Return the free part of the buffer, to be called only when there is more to write.

        A full buffer waits until then: its last chunk might be the final one, which must not be empty.
        """
        if self._filled == len(self._plain):
            self._seal(final=False)
        return self._plain[self._filled :]

    def _seal(self, *, final: bool) -> None:
        end = 0
        for start in range(0, self._filled, CHUNK_BYTES) or (0,):
            stop = min(start + CHUNK_BYTES, self._filled)
            last = final and stop == self._filled
            end += self._cipher.seal(self._plain[start:stop], self._sealed[end:], final=last)
        self._filled = 0
        try:
            write_all(self._target, self._sealed[:end])
        except BaseException:
            self.abort()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.abort()
