"""Listings of a storage."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

from django.core.files.storage import Storage
from django.utils import timezone

from destinations.backends.base import StoredFile
from destinations.backends.storage.markers import marked
from destinations.transfer.paths import MAX_DEPTH, is_filename, is_segment, part_token


def files(storage: Storage, base: str, folder: str, prefix: str, alive: Callable[[], None]) -> Iterator[StoredFile]:
    """Yield the files below `folder` of the folder `base`, in the order of their paths, without what a marker hides.

    `alive` is called for each folder and file.
    """
    alive()
    try:
        folders, found = storage.listdir(f"{base}/{folder}".strip("/"))
    except FileNotFoundError:
        return
    under_way = set(map(marked, found))
    entries = [(f"{name}/", name) for name in folders if is_segment(name)]
    # of each file a storage is asked for its size and its time: not of those of others
    entries += [(name, name) for name in found if (is_filename(name) or part_token(name)) and name not in under_way]
    for key, name in sorted(entries):
        if not key.endswith("/"):
            alive()
            path = prefix + name
            full = f"{base}/{path}".strip("/")
            try:
                yield stored(storage, full, path)
            except FileNotFoundError:
                # gone since the folder was listed
                if storage.exists(full):
                    raise
        elif prefix.count("/") < MAX_DEPTH - 1:
            yield from files(storage, base, prefix + name, f"{prefix}{name}/", alive)


def stored(storage: Storage, name: str, path: str) -> StoredFile:
    """Return size and time of the file `name` of the storage."""
    try:
        modified: datetime | None = storage.get_modified_time(name)
    except (NotImplementedError, ValueError, OverflowError):
        # not known there, or beyond the calendar
        modified = None
    if modified is not None and timezone.is_naive(modified):
        modified = modified.replace(tzinfo=UTC)
    return StoredFile(path, int(storage.size(name)), modified)
