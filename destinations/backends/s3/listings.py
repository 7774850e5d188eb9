"""Listings of a bucket: its files, its uploads under way, and what versions keep of deleted files."""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from destinations.backends.base import StoredFile
from destinations.backends.s3.answers import S3Refused
from destinations.backends.s3.completion import abort, list_parts
from destinations.backends.s3.promotion import promote
from destinations.exceptions import DestinationUnavailable, NotFound
from destinations.transfer.paths import part_name

if TYPE_CHECKING:
    from destinations.backends.s3.bucket import Bucket


def files(bucket: "Bucket", begin: str, prefix: str) -> Iterator[StoredFile]:
    """Yield the objects whose keys begin with `begin`, a page at a time; `prefix` is taken from their keys."""
    token: dict[str, str] = {}
    while True:
        page = _page(bucket, "list_objects_v2", Prefix=begin, **token)
        for entry in page.get("Contents", ()):
            yield StoredFile(entry["Key"].removeprefix(prefix), entry["Size"], entry["LastModified"])
        if not page.get("IsTruncated"):
            return
        token = {"ContinuationToken": page["NextContinuationToken"]}


def _page(bucket: "Bucket", operation: str, **parameters: Any) -> dict[str, Any]:
    page = bucket.call(operation, **parameters)
    # the page of a proxy that asks for a login, say, would read as a bucket without files
    if not page.keys() & {"Name", "Bucket", "IsTruncated", "KeyCount"}:
        raise DestinationUnavailable(
            f"The bucket {bucket.name} cannot be listed: what {bucket.endpoint} answers is no listing.",
            "Check endpoint_url, and whether something else answers on the way there.",
        )
    return page


def uploads(bucket: "Bucket", prefix: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield each upload under way: its key, the name of its partial upload below `prefix`, and what the store says.

    The store keeps the token of no upload: the name has a token made from the id of the upload.
    """
    after: dict[str, str] = {}
    while True:
        page = _page(bucket, "list_multipart_uploads", Prefix=prefix, **after)
        for entry in page.get("Uploads", ()):
            folder, slash, name = entry["Key"].removeprefix(prefix).rpartition("/")
            yield entry["Key"], f"{folder}{slash}{part_name(name, token_of(entry['UploadId']))}", entry
        if not page.get("IsTruncated"):
            return
        after = {"KeyMarker": page["NextKeyMarker"], "UploadIdMarker": page["NextUploadIdMarker"]}


def token_of(upload_id: str) -> str:
    return f"upload-{hashlib.sha256(upload_id.encode()).hexdigest()[:16]}"


def partials(bucket: "Bucket", prefix: str) -> Iterator[StoredFile]:
    """Yield the uploads under way, sorted; the size is that of the parts which arrived."""
    for _, path, entry in sorted(uploads(bucket, prefix), key=lambda upload: upload[1]):
        try:
            parts = list_parts(bucket, {"Key": entry["Key"], "UploadId": entry["UploadId"]}, {})
            size = sum(int(part["Size"]) for part in parts)
        except S3Refused as refused:
            # it ended meanwhile
            if refused.code == "NoSuchUpload":
                continue
            raise
        yield StoredFile(path, size, entry["Initiated"])


def abort_partial(bucket: "Bucket", prefix: str, path: str) -> None:
    """Abort the upload that `partials` named `path`."""
    for key, name, entry in uploads(bucket, prefix):
        if name == path:
            abort(bucket, key, entry["UploadId"])


def abort_all(bucket: "Bucket", key: str) -> None:
    """Abort the uploads of one key."""
    for found, _, entry in uploads(bucket, key):
        if found == key:
            abort(bucket, key, entry["UploadId"])


def hidden(bucket: "Bucket", begin: str, prefix: str) -> Iterator[StoredFile]:
    """Yield the newest version of each file that a delete marker hides."""
    marked = ""
    for entry in versions(bucket, begin):
        if "Size" not in entry:
            if entry["IsLatest"]:
                marked = entry["Key"]
        elif entry["Key"] == marked:
            marked = ""
            yield StoredFile(entry["Key"].removeprefix(prefix), entry["Size"], entry["LastModified"])


def versions(bucket: "Bucket", begin: str) -> Iterator[dict[str, Any]]:
    """Yield the versions and delete markers of all keys that begin so: keys in order, of one key the newest first.

    A delete marker has no "Size".
    """
    after: dict[str, str] = {}
    while True:
        page = _page(bucket, "list_object_versions", Prefix=begin, **after)
        entries = [*page.get("Versions", ()), *page.get("DeleteMarkers", ())]
        entries.sort(key=lambda entry: (entry["IsLatest"], entry["LastModified"]), reverse=True)
        yield from sorted(entries, key=lambda entry: str(entry["Key"]))
        if not page.get("IsTruncated"):
            return
        after = {"KeyMarker": page["NextKeyMarker"], "VersionIdMarker": page.get("NextVersionIdMarker", "")}


def restore_hidden(
    bucket: "Bucket",
    key: str,
    size: int | None,
    customer: Mapping[str, str],
    where: str,
    alive: Callable[[], None] = lambda: None,
) -> None:
    """Delete the delete markers on top of the newest version, or copy the newest of that size over it.

    `customer` are the headers of SSE-C. Raises `NotFound`.
    """
    while True:
        of_key = [entry for entry in versions(bucket, key) if entry["Key"] == key]
        kept = [entry for entry in of_key if "Size" in entry]
        if not kept:
            raise NotFound(f"{where} has no version of {key}.", "List what the store keeps of deleted files.")
        # asked anew for each: their times have whole seconds, and do not tell which of two is on top
        top = next((entry for entry in of_key if entry["IsLatest"]), None)
        wanted = next((entry for entry in kept if entry["Size"] == size), kept[0])
        if top is not None and "Size" not in top and kept[0]["Size"] != wanted["Size"]:
            promote(bucket, wanted, customer, alive)
            return
        if top is None or "Size" in top:
            return
        bucket.call("delete_object", Key=key, VersionId=top["VersionId"])
