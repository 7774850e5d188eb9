"""Resumable upload sessions: https://cloud.google.com/storage/docs/performing-resumable-uploads."""

import base64
import hashlib
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from cryptography.fernet import Fernet, InvalidToken

from destinations.backends.base import UploadState
from destinations.backends.gcs.answers import GcsRefused
from destinations.exceptions import ConnectionLost
from destinations.lib.redaction import remember
from destinations.transfer.upload import Part, Upload

if TYPE_CHECKING:
    from destinations.backends.gcs.bucket import Bucket

# what a session keeps is a multiple of this
GRANULE = 256 * 1024
# of one request; after a cut the store says how much of it arrived
CHUNK_BYTES = 1024 * 1024 * 1024
RESUME_INCOMPLETE = 308
_RANGE = re.compile(r"bytes=0-(\d+)")


class Seal:
    """Seals the address of a session by the credentials of its destination: whoever has the address may write to it.

    Without credentials in the options nothing is sealed, and a session is not kept for another process.
    """

    def __init__(self, credentials: str) -> None:
        digest = hashlib.sha256(b"upload session" + credentials.encode()).digest()
        self._fernet = Fernet(base64.urlsafe_b64encode(digest)) if credentials else None

    def sealed(self, address: str) -> str:
        return self._fernet.encrypt(address.encode()).decode() if self._fernet else ""

    def open(self, state: UploadState) -> str | None:
        """Return the address in `state`; None where there is none, or one that other credentials sealed."""
        try:
            sealed = str(state.data.get("address", ""))
            return self._fernet.decrypt(sealed.encode()).decode() if self._fernet and sealed else None
        except InvalidToken:
            # the store drops that session after a week
            return None


class Session:
    """The session of one upload. The last bytes, at most a granule, are held back: they publish the file."""

    def __init__(self, upload: Upload, checksum: str, seal: Seal, about: Mapping[str, Any]) -> None:
        """`about` is what the store is told of the file, beside its name and checksum."""
        self.upload, self.checksum = upload, checksum
        self._told = about
        self.address = ""
        self.tail = b""
        # what the store has of it, as it says after each request
        self.arrived = 0
        self._seal = seal

    def send(self, bucket: "Bucket", name: str, state: UploadState) -> None:
        """Send all but the tail, from where an earlier try ended."""
        total = self.upload.wanted.size
        begin = self._resume(bucket, state)
        if begin is None:
            # the store compares it before the file gets its name
            self.address = bucket.begin_upload(name, {"crc32c": self.checksum, **self._told}, total)
            _hide(self.address)
            state.data = self._about | {"address": self._seal.sealed(self.address)}
            state.save(state.data)
            begin = 0
        self.upload.skip(begin)
        # of what is sent in order from there, which takes longer than to hash it
        self.upload.hash_to(begin)
        # at least one byte is left for the request that publishes
        end = max(total - 1, 0) // GRANULE * GRANULE
        while begin < end:
            begin = self._send_chunk(bucket, begin, min(begin + CHUNK_BYTES, end))
        self.arrived = begin
        self.tail = self.upload.part(begin, total - begin) if total else b""

    def received(self, bucket: "Bucket") -> int | None:
        """Return how many bytes have arrived; None when the session has ended."""
        try:
            answer = bucket.send_upload(self.address, {"Content-Range": f"bytes */{self.upload.wanted.size or '*'}"})
        except GcsRefused as refused:
            if refused.is_gone:
                return None
            raise
        return _kept(answer) if answer.status_code == RESUME_INCOMPLETE else None

    def finish(self, bucket: "Bucket") -> dict[str, Any]:
        """Send the tail, which publishes the file, and return what the store says of it."""
        total = self.upload.wanted.size
        span = f"{total - len(self.tail)}-{total - 1}" if self.tail else "*"
        answer = bucket.send_upload(self.address, {"Content-Range": f"bytes {span}/{total}"}, self.tail)
        stored: dict[str, Any] = answer.json()
        return stored

    @property
    def _about(self) -> dict[str, object]:
        wanted = self.upload.wanted
        return {"path": wanted.path, "size": wanted.size, "checksum": self.checksum}

    def _resume(self, bucket: "Bucket", state: UploadState) -> int | None:
        """Return how much of this upload a session has; None where there is none to go on with."""
        if any(state.data.get(name) != value for name, value in self._about.items()):
            return None
        # without a seal: that of this process
        self.address = self._seal.open(state) or self.address
        _hide(self.address)
        return self.received(bucket) if self.address else None

    def _send_chunk(self, bucket: "Bucket", begin: int, end: int) -> int:
        """Return how far the session is afterwards."""
        headers = {"Content-Range": f"bytes {begin}-{end - 1}/{self.upload.wanted.size}"}
        try:
            arrived = _kept(bucket.send_upload(self.address, headers, Part(self.upload, begin, end)))
        except GcsRefused as refused:
            if not refused.is_gone:
                raise
            arrived = 0
        if not begin < arrived <= end:
            raise ConnectionLost(
                f"The upload {self.upload.wanted.path} has ended at byte {begin} of it.", "The next try may succeed."
            )
        # it may have kept less than was sent
        self.upload.skip(arrived - end)
        return arrived


def _hide(address: str) -> None:
    """Keep what gives the right to write out of logs: libraries quote the address of a request in their errors."""
    for given in re.findall(r"[?&]upload_id=([^&]+)", address):
        remember(given, unquote(given))


def _kept(answer: Any) -> int:
    """Return how many bytes the answer of a session says that it has, in whole granules."""
    found = _RANGE.fullmatch(answer.headers.get("Range", ""))
    return (int(found[1]) + 1) // GRANULE * GRANULE if found else 0
