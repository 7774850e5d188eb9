"""Listings of a container: its files, its uploads under way, and the end of an upload that is given up."""

from collections.abc import Iterator
from itertools import groupby
from typing import TYPE_CHECKING

from destinations.backends.azure.answers import AzureRefused
from destinations.backends.azure.blocks import is_of, token_of
from destinations.backends.base import StoredFile
from destinations.exceptions import DestinationUnavailable, NotFound
from destinations.transfer.paths import is_filename, part_name

if TYPE_CHECKING:
    from destinations.backends.azure.blob import Blob
    from destinations.backends.azure.session import Container

# of the blob for a moment by which the store drops blocks: it is not a file
DISCARDED = "backupsite_discarded"
# of the token of blocks that another program sent
FOREIGN = "foreign"


def files(container: "Container", begin: str, prefix: str) -> Iterator[StoredFile]:
    """Yield the blobs whose names begin with `begin`; `prefix` is taken from their names."""
    for page in container.pages(begin):
        for blob in page:
            if not blob.name.startswith(begin):
                raise DestinationUnavailable(
                    f"The container lists {blob.name}, which does not begin with {begin} as was asked for.",
                    "Use a store that heeds prefixes: what is listed may belong to others.",
                )
            if not _is_no_file(blob):
                yield StoredFile(blob.name.removeprefix(prefix), blob.size, blob.modified_at)


def _is_no_file(blob: "Blob") -> bool:
    # an account with a hierarchical namespace lists folders as well
    return DISCARDED in blob.metadata or blob.metadata.get("hdi_isfolder", "").lower() == "true"


def partials(container: "Container", prefix: str) -> Iterator[StoredFile]:
    """Yield the uploads under way, sorted by the names of their files; the size is that of the blocks that arrived.

    The store lists a blob of blocks that are not committed without a size, and does not say what it is.
    """
    for page in container.pages(prefix, uncommitted=True):
        for blob in page:
            folder, slash, name = blob.name.removeprefix(prefix).rpartition("/")
            if blob.size or not is_filename(name):
                continue
            if DISCARDED in blob.metadata:
                yield StoredFile(f"{folder}{slash}{part_name(name, FOREIGN)}", 0, blob.modified_at)
                continue
            sizes: dict[str, int] = {}
            for block, size in container.blocks(blob.name).items():
                token = token_of(block) or FOREIGN
                sizes[token] = sizes.get(token, 0) + size
            for token, size in sorted(sizes.items()):
                yield StoredFile(f"{folder}{slash}{part_name(name, token)}", size, blob.modified_at)


def discard(container: "Container", name: str, token: str) -> None:
    """Drop the blocks of the upload; no error when there are none.

    The store has no request for that: an empty file made of none of them, which no listing of ours shows, is deleted
    at once. Where a rule of the container may keep that file, the store drops the blocks by itself after a week.
    """
    found = container.find(name)
    if found is None and (waiting := container.blocks(name)):
        others = any(not is_of(block, token) for block in waiting) and token != FOREIGN
        if others or container.keeps_what_is_deleted():
            return
        try:
            container.commit(name, [], {"metadata": {DISCARDED: "true"}})
        except AzureRefused as refused:
            # a file got the name meanwhile
            if refused.status in {409, 412}:
                return
            raise
    remove_discarded(container, name)


def remove_discarded(container: "Container", name: str) -> None:
    """Delete the empty file by which the store drops blocks; no error when there is none."""
    found = container.find(name)
    if found is not None and DISCARDED in found.metadata:
        container.delete(name, etag=found.etag)


def hidden(container: "Container", begin: str, prefix: str) -> Iterator[StoredFile]:
    """Yield the newest version of each file that was deleted, and that versions or soft delete keep."""
    blobs = (blob for page in container.pages(begin, kept=True) for blob in page)
    for name, of_name in groupby(blobs, lambda blob: blob.name):
        if (kept := _newest_kept(list(of_name))) is not None and not _is_no_file(kept):
            yield StoredFile(name.removeprefix(prefix), kept.size, kept.modified_at)


def _newest_kept(blobs: "list[Blob]", size: int | None = None) -> "Blob | None":
    """Return the version to bring back, the newest of that `size` if there is one; None for a file of that name."""
    if any(blob.is_live for blob in blobs):
        return None
    # versions sort by their time; one that was itself deleted comes after those that were not
    return max(blobs, key=lambda blob: (blob.size == size, not blob.is_deleted, blob.version))


def restore_hidden(container: "Container", name: str, size: int | None, where: str) -> None:
    """Undelete the file, or copy its newest version, or the newest of that size, to its name. Raises `NotFound`."""

    def of_name() -> "list[Blob]":
        return [blob for page in container.pages(name, kept=True) for blob in page if blob.name == name]

    blobs = of_name()
    if not blobs:
        raise NotFound(f"{where} keeps nothing of {name}.", "List what the store keeps of deleted files.")
    if (kept := _newest_kept(blobs, size)) is not None and kept.is_deleted:
        container.undelete(name)
        # where there are versions, this brings back those alone
        kept = _newest_kept(of_name(), size)
    if kept is not None:
        container.promote(name, kept.version)
