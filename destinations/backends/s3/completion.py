"""The end of an upload in parts: its parts compared, and its completion, which publishes it."""

import base64
import hashlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from destinations.backends.s3.answers import S3Refused
from destinations.exceptions import ConnectionLost, NameTaken
from destinations.transfer.blocks import compare
from destinations.transfer.upload import Upload

if TYPE_CHECKING:
    from destinations.backends.s3.bucket import Bucket
    from destinations.backends.s3.multipart import Parts


def list_parts(bucket: "Bucket", target: Mapping[str, Any], customer: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    marker = 0
    while True:
        page = bucket.call("list_parts", **target, PartNumberMarker=marker, **customer)
        yield from page.get("Parts", ())
        if not page.get("IsTruncated"):
            return
        marker = page["NextPartNumberMarker"]


def check(bucket: "Bucket", parts: "Parts", upload: Upload) -> None:
    """Compare the parts that the store has with those that were sent."""
    stored = {int(part["PartNumber"]): part for part in list_parts(bucket, parts.target, parts.customer)}
    what = f"The upload {upload.wanted.path}"
    compare(what, "number of parts", len(parts.done), len(stored))
    compare(what, "size", upload.wanted.size, sum(part["Size"] for part in stored.values()))
    for number, sent in parts.done.items():
        compare(f"{what}, part {number},", "ETag", sent["ETag"], stored[number]["ETag"])


def publish(bucket: "Bucket", parts: "Parts", upload: Upload) -> str:
    """Complete the upload, and return its version where the bucket has versions. Raises `NameTaken`."""
    wanted = upload.wanted
    if size_of(bucket, parts.key, parts.customer) is not None:
        raise NameTaken(f"{wanted.path} exists already in the bucket {bucket.name}.", "Nothing is overwritten.")
    request = {**parts.target, "MultipartUpload": {"Parts": [parts.done[number] for number in sorted(parts.done)]}}
    try:
        answer = bucket.call("complete_multipart_upload", **request, IfNoneMatch="*", **parts.customer)
    except S3Refused as refused:
        if refused.code == "NoSuchUpload" and size_of(bucket, parts.key, parts.customer) is not None:
            # the answer to an earlier try was lost, or another took the name: what is there is read
            raise ConnectionLost(
                f"The answer to the completion of {wanted.path} was lost.", "The next try may succeed."
            ) from refused
        if refused.code not in {"NotImplemented", "InvalidArgument", "InvalidRequest"}:
            raise
        # an older compatible store, which knows no conditions: the name was looked for above
        answer = bucket.call("complete_multipart_upload", **request, **parts.customer)
    told = str(answer.get("ChecksumSHA256", ""))
    if "-" in told:
        compare(wanted.path, "checksum of the parts", _composite(parts), told)
    return str(answer.get("VersionId") or "")


def size_of(bucket: "Bucket", key: str, customer: Mapping[str, Any]) -> int | None:
    """Return the size of an object; None where there is none."""
    try:
        return int(bucket.call("head_object", Key=key, **customer)["ContentLength"])
    except S3Refused as refused:
        if refused.is_missing:
            return None
        raise


def _composite(parts: "Parts") -> str:
    """Return the checksum of checksums, as docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity."""
    digests = b"".join(base64.b64decode(parts.done[number]["ChecksumSHA256"]) for number in sorted(parts.done))
    return f"{base64.b64encode(hashlib.sha256(digests).digest()).decode()}-{len(parts.done)}"


def abort(bucket: "Bucket", key: str, upload_id: str) -> None:
    """Abort an upload; no error when there is none."""
    try:
        bucket.call("abort_multipart_upload", Key=key, UploadId=upload_id)
    except S3Refused as refused:
        if refused.code != "NoSuchUpload":
            raise


def remove(bucket: "Bucket", key: str, version: str) -> None:
    """Delete the version, or hide it where it is locked or the account has no right to; without a version the name."""
    if version:
        try:
            bucket.call("delete_object", Key=key, VersionId=version)
            return
        except S3Refused as refused:
            if not refused.is_denied:
                raise
    bucket.call("delete_object", Key=key)
