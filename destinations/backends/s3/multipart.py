"""An upload in parts (multipart upload), sent from several threads, and published by its completion."""

import base64
import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from destinations.backends.base import BLOCK_SIZE, UploadState
from destinations.backends.s3.answers import S3Refused
from destinations.backends.s3.completion import abort, list_parts
from destinations.backends.s3.listings import abort_all
from destinations.exceptions import DestinationError
from destinations.transfer.blocks import compare
from destinations.transfer.parallel import side_by_side
from destinations.transfer.persistence import persistently
from destinations.transfer.upload import Part, Upload

if TYPE_CHECKING:
    from destinations.backends.s3.bucket import Bucket

THREADS = 4
LEAST_PART_BYTES = 8 * 1024 * 1024
# the store allows 10,000
MOST_PARTS = 9000
# of one object: parts are at most 5 GiB, and many compatible stores take no more than AWS took for long
LARGEST_FILE = 5 * 1024**4

Explain = Callable[[Exception, str], DestinationError | None]


def part_size(size: int) -> int:
    return max(LEAST_PART_BYTES, -(-size // MOST_PARTS))


@dataclass
class Parts:
    """What one upload needs beside its bytes: where, with which headers, and the parts that the store has."""

    key: str
    # of the first request, of each part, and of the completion
    create: Mapping[str, Any]
    customer: Mapping[str, Any]
    checksum: str
    explain: Explain
    delays: tuple[float, ...]
    upload_id: str = ""
    done: dict[int, dict[str, Any]] = field(default_factory=dict)

    @property
    def target(self) -> dict[str, Any]:
        return {"Key": self.key, "UploadId": self.upload_id}


def send(bucket: "Bucket", parts: Parts, upload: Upload, state: UploadState) -> None:
    """Send all parts that the store does not have from an earlier try."""
    size = part_size(upload.wanted.size)
    about = {"key": parts.key, "size": upload.wanted.size, "part_size": size}
    stored = _resume(bucket, parts, state, about)
    if stored is None:
        algorithm = {"ChecksumAlgorithm": "SHA256"} if parts.checksum == "sha256" else {}
        if state.data.get("creating") == parts.key:
            # the answer to that may have been lost: nothing of ours names what it began
            abort_all(bucket, parts.key)
        state.data = {"creating": parts.key}
        state.save(state.data)
        answer = bucket.call(
            "create_multipart_upload",
            Key=parts.key,
            ContentType="application/octet-stream",
            **algorithm,
            **parts.create,
        )
        parts.upload_id, stored = str(answer["UploadId"]), {}
        state.data = about | {"upload_id": parts.upload_id}
        state.save(state.data)
    parts.done = {}
    side_by_side(_jobs(bucket, parts, upload, stored, size), THREADS)


def _resume(
    bucket: "Bucket", parts: Parts, state: UploadState, about: Mapping[str, object]
) -> dict[int, dict[str, Any]] | None:
    """Return the parts of the upload in `state`, or None where there is none that fits."""
    if not state.data.get("upload_id"):
        return None
    if any(state.data.get(name) != value for name, value in about.items()):
        # the upload was to have another name
        abort(bucket, str(state.data.get("key")), str(state.data["upload_id"]))
        return None
    parts.upload_id = str(state.data["upload_id"])
    try:
        return {int(part["PartNumber"]): part for part in list_parts(bucket, parts.target, parts.customer)}
    except S3Refused as refused:
        if refused.code != "NoSuchUpload":
            raise
        return None


def _jobs(
    bucket: "Bucket", parts: Parts, upload: Upload, stored: Mapping[int, dict[str, Any]], size: int
) -> Iterator[Callable[[], None]]:
    total = upload.wanted.size
    # a file without bytes has one part too
    for number, begin in enumerate(range(0, total or 1, size), 1):
        end = min(begin + size, total)
        known = stored.get(number)
        # in order, whatever the threads do: for the checksum of the whole, which so is that of the parts
        names = {parts.checksum, _checksum_of(known, parts.checksum)}
        digests = {name: hashlib.new(name, usedforsecurity=False) for name in names}
        for offset in range(begin, end, BLOCK_SIZE):
            block = upload.peek_in_order(offset, min(BLOCK_SIZE, end - offset))
            for digest in digests.values():
                digest.update(block)
        digested = {name: digest.digest() for name, digest in digests.items()}
        if known is not None and _is_same(known, end - begin, digested):
            upload.skip(end - begin)
            parts.done[number] = _identity(number, known)
        else:
            yield partial(_send_part, bucket, parts, upload, number, begin, end, digested[parts.checksum])


def _send_part(
    bucket: "Bucket", parts: Parts, upload: Upload, number: int, begin: int, end: int, checksum: bytes
) -> None:
    digest = base64.b64encode(checksum).decode()
    headers = {"ChecksumSHA256": digest} if parts.checksum == "sha256" else {"ContentMD5": digest}
    body = Part(upload, begin, end)

    def once() -> dict[str, Any]:
        body.rewind()
        return bucket.call(
            "upload_part",
            **parts.target, PartNumber=number, Body=body, ContentLength=end - begin, **headers, **parts.customer,
        )  # fmt: skip

    # an upload of days has more faults than it has tries
    answer = persistently(
        once,
        delays=parts.delays,
        explain=lambda error: parts.explain(error, f"upload part {number} of {upload.wanted.path}"),
        checkpoint=upload.meter.checkpoint,
    )
    if told := answer.get("ChecksumSHA256"):
        compare(f"Part {number} of {upload.wanted.path}", "SHA-256", digest, told)
    parts.done[number] = _identity(number, headers | answer)


def _identity(number: int, answer: Mapping[str, Any]) -> dict[str, Any]:
    known = {"PartNumber": number, "ETag": answer["ETag"]}
    if "ChecksumSHA256" in answer:
        known["ChecksumSHA256"] = answer["ChecksumSHA256"]
    return known


def _checksum_of(stored: Mapping[str, Any] | None, usual: str) -> str:
    """Return the checksum by which a part of an earlier try is compared; `usual` where there is none."""
    if stored is None:
        return usual
    # the ETag is an MD5, unless the store encrypts with another key than its own
    return "sha256" if stored.get("ChecksumSHA256") else "md5"


def _is_same(stored: Mapping[str, Any], size: int, digests: Mapping[str, bytes]) -> bool:
    """Whether a part of an earlier try holds the bytes of the source; unknown counts as no."""
    if stored["Size"] != size:
        return False
    if checksum := stored.get("ChecksumSHA256"):
        return bool(base64.b64decode(checksum) == digests["sha256"])
    return bool(stored["ETag"].strip('"') == digests["md5"].hex())
