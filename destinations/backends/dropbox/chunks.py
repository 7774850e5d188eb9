"""An upload session: sent in chunks, gone on with where it stands, verified by the checksum of the whole.

The checksum: https://www.dropbox.com/developers/reference/content-hash
"""

import hashlib
from collections.abc import Callable
from typing import TYPE_CHECKING

from destinations.backends.base import BLOCK_SIZE, UploadState
from destinations.exceptions import DestinationError
from destinations.transfer.persistence import persistently
from destinations.transfer.upload import Upload

if TYPE_CHECKING:
    from destinations.backends.dropbox.session import Account

HASHED_BYTES = 4 * 1024 * 1024
# of one request, a multiple of what the checksum is made of
CHUNK_BYTES = 2 * HASHED_BYTES


class Chunks:
    """One upload to one session."""

    def __init__(
        self,
        account: "Account",
        upload: Upload,
        explain: Callable[[Exception], DestinationError | None],
        delays: tuple[float, ...],
    ) -> None:
        self._account, self._upload = account, upload
        self._explain, self._delays = explain, delays
        self._hashes: list[bytes] = []
        self.session = ""

    @property
    def content_hash(self) -> str:
        return hashlib.sha256(b"".join(self._hashes)).hexdigest()

    def send(self, state: UploadState) -> None:
        wanted = self._upload.wanted
        about = {"path": wanted.path, "size": wanted.size, "sha256": wanted.sha256}
        begun = str(state.data.get("session") or "") if about.items() <= state.data.items() else ""
        offset = self._account.offset_of(begun, wanted.size + 1) if begun else None
        # only whole chunks were sent, but for the last
        if offset is None or offset > wanted.size or (offset % CHUNK_BYTES and offset != wanted.size):
            self.session, offset = self._account.begin_upload(), 0
            state.data = {**about, "session": self.session}
            state.save(state.data)
        else:
            self.session = begun
        for begin in range(0, wanted.size, CHUNK_BYTES):
            size = min(CHUNK_BYTES, wanted.size - begin)
            is_sent = begin < offset
            data = b"".join(
                self._block(begin + at, min(BLOCK_SIZE, size - at), is_sent) for at in range(0, size, BLOCK_SIZE)
            )
            hashes = [hashlib.sha256(data[at : at + HASHED_BYTES]).digest() for at in range(0, size, HASHED_BYTES)]
            self._hashes += hashes
            if not is_sent:
                self._append(begin, data, hashlib.sha256(b"".join(hashes)).hexdigest())

    def _block(self, offset: int, size: int, is_sent: bool) -> bytes:
        # for the checksum of the source, which so is that of what is sent
        block = self._upload.peek_in_order(offset, size)
        if is_sent:
            self._upload.skip(size)
        else:
            self._upload.count(size)
        return block

    def _append(self, begin: int, data: bytes, content_hash: str) -> None:
        end, is_first = begin + len(data), True

        def once() -> None:
            nonlocal is_first
            self._upload.meter.checkpoint()
            # the answer to an earlier try may have been lost
            if is_first or self._account.offset_of(self.session, end + 1) != end:
                is_first = False
                self._account.append(self.session, begin, data, content_hash, self._upload.meter.checkpoint)

        persistently(once, delays=self._delays, explain=self._explain, checkpoint=self._upload.meter.checkpoint)
