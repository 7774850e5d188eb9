"""Holding a live tree against its nested tar, entry by entry, however many there are."""

import os
import stat
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

from backups.components.files.pack import ROOT
from backups.components.files.read import NestedTar
from backups.lib.copy import open_regular
from backups.lib.site_paths import NO_PLACES_BELOW, PlacesBelow
from backups.lib.walk import TreeEntry, walk

Pair = tuple[TreeEntry | None, tarfile.TarInfo | None]


def first_difference(
    archive: Path, live: Path, checkpoint: Callable[[int], None], own: PlacesBelow = NO_PLACES_BELOW
) -> str | None:
    """Return the first name below `live` that is not what `archive` says, in content, target, mode or owner; or None.

    Both are in the order of `walk`. Times are not compared: a service may touch its files. What lies in the site's
    `own` places counts on neither side. Raises ComponentError.
    """
    with archive.open("rb") as file:
        tar = NestedTar(file, archive.name)
        packed = (member for member in tar.members() if member.name != ROOT and not own.holds(member.name))
        for entry, member in _paired(walk(live, own), packed, own):
            if entry is None or member is None:
                return min(thing.name for thing in (entry, member) if thing)
            if entry.name != member.name or not _is_same(entry, member, tar):
                return min(entry.name, member.name)
            checkpoint(0)
    return None


def _paired(found: Iterator[TreeEntry], packed: Iterator[tarfile.TarInfo], own: PlacesBelow) -> Iterator[Pair]:
    """Pair what is there with what is packed; a folder that is there for a place of the site alone has no pair."""

    def leads_there(entry: TreeEntry) -> bool:
        return entry.name in own.ways and stat.S_ISDIR(entry.info.st_mode)

    for member in packed:
        entry = next(found, None)
        while entry is not None and entry.name != member.name and leads_there(entry):
            entry = next(found, None)
        yield entry, member
    yield from ((entry, None) for entry in found if not leads_there(entry))


def _is_same(entry: TreeEntry, member: tarfile.TarInfo, tar: NestedTar) -> bool:
    info = entry.info
    if os.geteuid() == 0 and (info.st_uid, info.st_gid) != (member.uid, member.gid):
        return False
    if stat.S_ISLNK(info.st_mode):
        return member.issym() and os.readlink(entry.path.name, dir_fd=entry.dir_fd) == member.linkname
    if stat.S_IMODE(info.st_mode) != member.mode:
        return False
    if stat.S_ISDIR(info.st_mode):
        return member.isdir()
    return entry.is_file and member.isreg() and info.st_size == member.size and _holds(entry, tar)


def _holds(entry: TreeEntry, tar: NestedTar) -> bool:
    with open_regular(entry.path, dir_fd=entry.dir_fd) as file:
        return all(_next(file.fileno(), len(piece)) == piece for piece in tar.content())


def _next(descriptor: int, size: int) -> bytes:
    data = b""
    while len(data) < size and (piece := os.read(descriptor, size - len(data))):
        data += piece
    return data
