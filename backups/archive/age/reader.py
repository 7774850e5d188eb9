"""Decryption as a file object to read from."""

import io
from collections.abc import Iterator, Sequence
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
    """What a header tells without a key: the types of its stanzas, and its size in bytes."""

    stanza_types: tuple[str, ...]
    size: int


def _open(
    source: Source, identities: Sequence[str], passphrases: Sequence[str]
) -> tuple[io.BufferedReader, Header, bytes]:
    reader = open_binary(source)
    header = read_header(reader)
    return reader, header, unwrap_file_key(header, identities, passphrases)


def open_header(source: Source, *, identities: Sequence[str] = (), passphrases: Sequence[str] = ()) -> HeaderInfo:
    """Check that the given keys open the age file in `source`, of which only the start is needed.

    Raises AgeError as `DecryptingReader` does; reads at most 64 KiB beyond the header, and judges nothing of them.
    """
    _, header, _ = _open(source, identities, passphrases)
    return _info(header)


def inspect_header(source: Source) -> HeaderInfo:
    """Return what the header of the age file in `source` tells without a key, unproven; raises AgeError."""
    return _info(read_header(open_binary(source)))


def _info(header: Header) -> HeaderInfo:
    return HeaderInfo(tuple(stanza.type for stanza in header.stanzas), header.size)


class DecryptingReader(io.RawIOBase):
    """A readable binary object: the plaintext of the age file in `source`, which stays open.

    Raises AgeKeyError, AgeArmorError, AgeHeaderError, AgeHeaderMacError or AgeNoMatchError when it is made;
    AgeArmorError from reads, and AgePayloadError after all that was authentic before it was read. Only a read that
    returns nothing says that the file is whole. Memory is constant.
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
        """Fill `buffer` but for the end or an error: tarfile takes a short read for the end."""
        view = memoryview(buffer).cast("B")
        done = 0
        while done < len(view):
            if not self._ready and ((done and self._error) or not self._load()):
                break
            taken = min(len(view) - done, len(self._ready))
            view[done : done + taken] = self._ready[:taken]
            self._ready = self._ready[taken:]
            done += taken
        return done

    def _load(self) -> bool:
        """Make the next plaintext ready; an error waits until what was authentic before it is taken."""
        size = 0
        for sealed, final in self._read_batch():
            size += self._open_chunk(sealed, self._plain[size:], final)
            if self._error is not None:
                break
        if self._error is not None and not size:
            raise self._error
        self._ready = self._plain[:size]
        return size > 0

    def _read_batch(self) -> Iterator[tuple[memoryview, bool]]:
        """Yield the next sealed chunks, each with whether it ends the file."""
        if self._ended or self._error is not None:
            return
        try:
            filled = self._reader.readinto(self._sealed)
            self._ended = not self._reader.peek(1)
        except AgeError as error:
            self._error = error
            return
        for start in range(0, filled, SEALED_CHUNK_BYTES) or (0,):
            stop = min(start + SEALED_CHUNK_BYTES, filled)
            yield self._sealed[start:stop], self._ended and stop == filled

    def _open_chunk(self, sealed: memoryview, plain: memoryview, final: bool) -> int:
        """Return the size of the plaintext, none when the chunk is not authentic; keep what is wrong for later."""
        number = self._cipher.number + 1
        if number > 1 and len(sealed) == TAG_BYTES:
            return self._refuse("The age file has an empty chunk at its end.")
        size = self._cipher.open(sealed, plain, final=final)
        if size is not None:
            return size
        return self._open_misplaced(sealed, plain, final)

    def _open_misplaced(self, sealed: memoryview, plain: memoryview, final: bool) -> int:
        """Tell a file cut or extended between two chunks, whose full chunk is authentic, from one changed inside."""
        number, full = self._cipher.number + 1, len(sealed) == SEALED_CHUNK_BYTES
        size = self._cipher.open(sealed, plain, final=not final) if full else None
        if size is None:
            return self._refuse(f"Chunk {number} of the age file was changed or cut.")
        self._refuse(
            f"The age file was cut after chunk {number}."
            if final
            else f"Something follows chunk {number} of the age file, which is its last."
        )
        return size

    def _refuse(self, message: str) -> int:
        self._error = AgePayloadError(message, hint=DAMAGED_HINT)
        return 0
