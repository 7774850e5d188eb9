"""Streaming decompression of archives of untrusted origin, at constant memory and with every checksum compared."""

from collections.abc import Iterator
from typing import cast

from isal import igzip_lib, isal_zlib

from backups.archive.compression.write import zstandard_module
from backups.archive.errors import ArchiveError
from destinations.lib.heap import release_free_memory
from destinations.lib.streams import Source

GZIP_MAGIC = b"\x1f\x8b"
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
FETCH_BYTES = 128 * 1024
# a larger one is given back to the system after each use, and taken anew
CHUNK_BYTES = 512 * 1024
# of content, between two times that the heap is tidied
RELEASE_BYTES = 256 << 20
DAMAGED_HINT = "The file was truncated or altered after it was written. Fetch it again or use another backup."
_DEFLATE = 8
_FTEXT, _FNAME = 1, 8
_MAX_GZIP_NAME = 1024
# A block of 128 KiB takes at least 4 bytes, so that this much input gives at most 32 MiB of output.
_ZSTD_FEED_BYTES = 1024
_ZSTD_MAX_WINDOW = 2**27
# the library's annotation says instance, not class
_InflateError = cast("type[Exception]", isal_zlib.error)
_FOREIGN_MAGICS = {
    b"age-encryption.org/": "is encrypted with age and has to be decrypted first",
    b"-----BEGIN AGE": "is encrypted with age in text form and has to be decrypted first",
    b"TCBK": "is an encrypted archive of the TACACS+ server and has to be decrypted first",
}


def open_reader(source: Source) -> Iterator[bytes]:
    """Yield the content of `source`, gzip or zstd by its magic number, in chunks of bounded size.

    Raises ArchiveError for another format, damage, truncation and anything after the end of the stream.
    """
    compressed = _Input(source)
    head = compressed.peek(24)
    if head.startswith(GZIP_MAGIC):
        return _without_holes(_gunzip(compressed))
    if head.startswith(ZSTD_MAGIC):
        return _without_holes(_unzstd(compressed))
    if not head:
        raise ArchiveError("The archive is empty.", hint=DAMAGED_HINT)
    reason = next((text for magic, text in _FOREIGN_MAGICS.items() if head.startswith(magic)), None)
    raise ArchiveError(f"The archive {reason or 'is not compressed with gzip or zstd'}.", hint=DAMAGED_HINT)


def _without_holes(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Yield `chunks`; the holes that buffers of all sizes leave in the heap are 2 MB for each gigabyte otherwise."""
    since = 0
    for chunk in chunks:
        yield chunk
        since += len(chunk)
        if since >= RELEASE_BYTES:
            release_free_memory()
            since = 0


class _Input:
    """A source with peek and pushback."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._pending = b""

    def fetch(self) -> bytes:
        """Return the next bytes of any number, b"" at the end."""
        pending, self._pending = self._pending, b""
        return pending or self._source.read(FETCH_BYTES) or b""

    def push_back(self, data: bytes) -> None:
        self._pending = data + self._pending

    def peek(self, size: int) -> bytes:
        while len(self._pending) < size and (more := self._source.read(FETCH_BYTES)):
            self._pending += more
        return self._pending[:size]

    def take(self, size: int) -> bytes:
        taken = self.peek(size)
        if len(taken) < size:
            raise _truncated()
        self._pending = self._pending[size:]
        return taken


def _truncated() -> ArchiveError:
    return ArchiveError("The archive is truncated: its compressed stream ends too early.", hint=DAMAGED_HINT)


def _damaged(reason: str) -> ArchiveError:
    return ArchiveError(f"The archive is damaged: {reason}.", hint=DAMAGED_HINT)


def _gunzip(compressed: _Input) -> Iterator[bytes]:
    """Decompress gzip (RFC 1952); consecutive members are one stream."""
    while compressed.peek(1):
        # read here: the decompressor would accept flags and extra fields that no writer of archives sets
        header = compressed.take(10)
        if not header.startswith(GZIP_MAGIC):
            raise _damaged("there is data after the end of its compressed stream")
        method, flags = header[2], header[3]
        if method != _DEFLATE or flags & ~(_FTEXT | _FNAME):
            raise _damaged("its gzip header has unknown flags")
        if flags & _FNAME:
            name, end, _rest = compressed.peek(_MAX_GZIP_NAME).partition(b"\0")
            if not end:
                raise _damaged("the file name in its gzip header has no end")
            compressed.take(len(name) + 1)
        inflater = igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_DEFLATE)
        checksum = size = 0
        while not inflater.eof:
            feed = compressed.fetch() if inflater.needs_input else b""
            if inflater.needs_input and not feed:
                raise _truncated()
            try:
                data = bytes(inflater.decompress(feed, CHUNK_BYTES))
            except _InflateError as error:
                raise _damaged(f"its compressed stream cannot be read ({error})") from error
            checksum = isal_zlib.crc32(data, checksum)
            size += len(data)
            if data:
                yield data
        # the decompressor reads past the end of its member, into the trailer and the next one
        compressed.push_back(inflater.unused_data)
        trailer = checksum.to_bytes(4, "little") + (size % 2**32).to_bytes(4, "little")
        if compressed.take(8) != trailer:
            raise _damaged("the checksum of its compressed stream is wrong")


def _unzstd(compressed: _Input) -> Iterator[bytes]:
    """Decompress zstd (RFC 8878); consecutive frames are one stream."""
    zstandard = zstandard_module()
    while compressed.peek(1):
        frame = zstandard.ZstdDecompressor(max_window_size=_ZSTD_MAX_WINDOW).decompressobj()
        while not frame.eof:
            # in small pieces: the decompressor returns all output of one feed at once
            feed = compressed.peek(_ZSTD_FEED_BYTES)
            if not feed:
                raise _truncated()
            compressed.take(len(feed))
            try:
                data = frame.decompress(feed)
            except zstandard.ZstdError as error:
                raise _damaged(f"its compressed stream cannot be read ({error})") from error
            if data:
                yield data
        compressed.push_back(frame.unused_data)
