"""Decryption of an age file as a readable file object."""

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from backups.archive.age.armor import open_binary
from backups.archive.age.errors import DAMAGED_HINT, AgeError, AgeHeaderError, AgePayloadError
from backups.archive.age.header import Header, read_header
from backups.archive.age.identities import unwrap_file_key
from backups.archive.age.payload import (
    BATCH_CHUNKS,
    CHUNK_BYTES,
    NONCE_BYTES,
    SEALED_CHUNK_BYTES,
    TAG_BYTES,
    ChunkCipher,
)
from destinations.lib.streams import Source


@dataclass(frozen=True, slots=True)
class HeaderInfo:
    """The types of the stanzas of a header, and its size in bytes."""

    stanza_types: tuple[str, ...]
    size: int


def _open(
    source: Source, identities: Sequence[str], passphrases: Sequence[str]
) -> tuple[io.BufferedReader, Header, bytes]:
    reader = open_binary(source)
    header = read_header(reader)
    return reader, header, unwrap_file_key(header, identities, passphrases)


def open_header(source: Source, *, identities: Sequence[str] = (), passphrases: Sequence[str] = ()) -> HeaderInfo:
    """Check that the given keys open the age file whose beginning is in `source`.

    Raises the errors of `DecryptingReader`. At most 64 KiB after the header are read; they are not verified.
    """
    _, header, _ = _open(source, identities, passphrases)
    return _info(header)


def inspect_header(source: Source) -> HeaderInfo:
    """Parse the header of the age file in `source` without a key, so that its MAC is not checked; raises AgeError."""
    return _info(read_header(open_binary(source)))


def _info(header: Header) -> HeaderInfo:
    return HeaderInfo(tuple(stanza.type for stanza in header.stanzas), header.size)


class DecryptingReader(io.RawIOBase):
    """A readable binary object: the plaintext of the age file in `source`, which stays open.

    The constructor raises AgeKeyError, AgeMemoryError, AgeArmorError, AgeHeaderError, AgeHeaderMacError or
    AgeNoMatchError. A read raises AgeArmorError or AgePayloadError, after the authentic plaintext before the error was
    read. Only a read that returns nothing means that the file is complete. Memory is constant.
    """

    def __init__(self, source: Source, *, identities: Sequence[str] = (), passphrases: Sequence[str] = ()) -> None:
        self._reader, _, file_key = _open(source, identities, passphrases)
        nonce = self._reader.read(NONCE_BYTES)
        if len(nonce) != NONCE_BYTES:
            raise AgeHeaderError("The age file ends before its payload begins.", hint=DAMAGED_HINT)
        self._cipher = ChunkCipher(file_key, nonce)
        self._sealed = memoryview(bytearray(BATCH_CHUNKS * SEALED_CHUNK_BYTES))
        self._plain = memoryview(bytearray(BATCH_CHUNKS * CHUNK_BYTES))
        self._ready = self._plain[:0]
        self._error: AgeError | None = None
        self._ended = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        """Fill `buffer`; less only at the end or before an error."""
        view = memoryview(buffer).cast("B")
        done = 0
        # tarfile takes a short read for the end of the file
        while done < len(view):
            if not self._ready and ((done and self._error) or not self._load()):
                break
            taken = min(len(view) - done, len(self._ready))
            view[done : done + taken] = self._ready[:taken]
            self._ready = self._ready[taken:]
            done += taken
        return done

    def _load(self) -> bool:
        """Decrypt the next batch of chunks into `_ready`; return False at the end.

        An error is kept in `_error` and raised when the authentic plaintext before it has been read.
        """
        size = filled = 0
        chunks: Iterable[int] = ()
        if not self._ended and self._error is None:
            try:
                filled = self._reader.readinto(self._sealed)
                self._ended = not self._reader.peek(1)
                # an empty payload is refused as a chunk without a tag
                chunks = range(0, filled, SEALED_CHUNK_BYTES) or (0,)
            except AgeError as error:
                self._error = error
        for start in chunks:
            stop = min(start + SEALED_CHUNK_BYTES, filled)
            size += self._open_chunk(self._sealed[start:stop], self._plain[size:], self._ended and stop == filled)
            if self._error is not None:
                break
        if self._error is not None and not size:
            raise self._error
        self._ready = self._plain[:size]
        return size > 0

    def _open_chunk(self, sealed: memoryview, plain: memoryview, final: bool) -> int:
        """Decrypt one chunk to `plain`; return the size of its authentic plaintext, 0 with an `_error`."""
        number = self._cipher.number + 1
        if number > 1 and len(sealed) == TAG_BYTES:
            self._refuse("The age file has an empty chunk at its end.")
            return 0
        size = self._cipher.open(sealed, plain, final=final)
        if size is not None:
            return size
        # A full chunk that is authentic with the other value of `final` distinguishes a file truncated or extended
        # between two chunks from one that was changed in a chunk. Its plaintext is delivered before the error.
        size = self._cipher.open(sealed, plain, final=not final) if len(sealed) == SEALED_CHUNK_BYTES else None
        if size is None:
            self._refuse(f"Chunk {number} of the age file was changed or cut.")
            return 0
        self._refuse(
            f"The age file was cut after chunk {number}."
            if final
            else f"Something follows chunk {number} of the age file, which is its last."
        )
        return size

    def _refuse(self, message: str) -> None:
        self._error = AgePayloadError(message, hint=DAMAGED_HINT)
