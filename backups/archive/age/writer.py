"""Encryption to an age file as a writable file object."""

import os
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from backups.archive.age.header import FILE_KEY_BYTES, build_header
from backups.archive.age.identities import wrap_file_key
from backups.archive.age.payload import BATCH_CHUNKS, CHUNK_BYTES, NONCE_BYTES, SEALED_CHUNK_BYTES, ChunkCipher
from destinations.lib.streams import BytesLike, Sink, write_all


class EncryptingWriter:
    """A writable binary object that writes an age file to `target`, which stays open.

    `close()` writes the final chunk. After an exception in the context or in a write there is none, so that readers
    refuse the file as truncated. Memory is constant. The constructor raises AgeKeyError.
    """

    # not an io.IOBase: those call close() when they are collected, which would complete an abandoned file

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
        """Do nothing: an incomplete chunk cannot be written before the end."""

    def write(self, data: BytesLike, /) -> int:
        """Write all of `data`; return its size in bytes."""
        if self._closed:
            raise ValueError("The age file is closed.")
        view = memoryview(data).cast("B")
        size = len(view)
        while view:
            # only when there is more to write: the last chunk of the buffer may be the final one, which is not empty
            if self._filled == len(self._plain):
                self._seal(final=False)
            room = self._plain[self._filled :]
            taken = min(len(view), len(room))
            room[:taken] = view[:taken]
            self._filled += taken
            view = view[taken:]
        return size

    def close(self) -> None:
        """Write the final chunk; does nothing when closed or aborted already."""
        if not self._closed:
            self._seal(final=True)
            self._closed = True

    def abort(self) -> None:
        """Close without writing the final chunk."""
        self._closed = True

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
