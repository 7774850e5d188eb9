"""What versions and soft delete keep of deleted objects."""

import heapq
from collections.abc import Iterator
from itertools import groupby
from typing import TYPE_CHECKING, Any

from django.utils.dateparse import parse_datetime

from destinations.backends.base import StoredFile
from destinations.backends.gcs.answers import GcsRefused
from destinations.exceptions import NotFound

if TYPE_CHECKING:
    from destinations.backends.gcs.bucket import Bucket


def _kept(bucket: "Bucket", begin: str) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Yield the names that begin so, in order, each with its live object, its versions and what was deleted softly."""
    versions = (entry for page in bucket.pages(begin, versions="true") for entry in page.get("items", ()))
    deleted = (entry for entry in _softly_deleted(bucket, begin) if entry.get("softDeleteTime"))
    together = heapq.merge(versions, deleted, key=lambda entry: str(entry["name"]))
    for name, entries in groupby(together, lambda entry: str(entry["name"])):
        yield name, list(entries)


def _softly_deleted(bucket: "Bucket", begin: str) -> Iterator[dict[str, Any]]:
    try:
        for page in bucket.pages(begin, softDeleted="true"):
            yield from page.get("items", ())
    except GcsRefused as refused:
        # the bucket has no policy of soft delete
        if refused.status not in {400, 412}:
            raise


def _newest_kept(entries: list[dict[str, Any]], size: int | None = None) -> dict[str, Any] | None:
    """Return the generation to bring back, the newest of that `size` if there is one; None for a live object."""
    if not all(entry.get("timeDeleted") or entry.get("softDeleteTime") for entry in entries):
        return None
    return max(entries, key=lambda entry: (int(entry["size"]) == size, int(entry["generation"])))


def hidden(bucket: "Bucket", begin: str, prefix: str) -> Iterator[StoredFile]:
    """Yield the newest generation of each deleted object."""
    for name, entries in _kept(bucket, begin):
        if (kept := _newest_kept(entries)) is not None:
            yield StoredFile(name.removeprefix(prefix), int(kept["size"]), parse_datetime(kept["updated"]))


def restore_hidden(bucket: "Bucket", name: str, size: int | None, where: str) -> None:
    """Make the newest generation of a deleted object, or the newest of that size, the live one. Raises `NotFound`."""
    entries = next((entries for found, entries in _kept(bucket, name) if found == name), None)
    if entries is None:
        raise NotFound(f"{where} keeps nothing of {name}.", "List what the store keeps of deleted files.")
    kept = _newest_kept(entries, size)
    if kept is not None and kept.get("softDeleteTime"):
        bucket.restore(name, str(kept["generation"]))
    elif kept is not None:
        bucket.promote(name, str(kept["generation"]))
