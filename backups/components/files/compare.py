"""Comparing a live tree with its nested tar as streams, entry by entry."""

import os
import stat
import tarfile
from collections.abc import Callable
from pathlib import Path

from backups.components.files.pack import ROOT
from backups.components.files.read import NestedTar
from backups.lib.copy import open_regular
from backups.lib.site_paths import NO_SITE_PATHS_BELOW, SitePathsBelow
from backups.lib.walk import TreeEntry, walk


def first_difference(
    archive: Path, live: Path, checkpoint: Callable[[int], None], own: SitePathsBelow = NO_SITE_PATHS_BELOW
) -> str | None:
    """Return the first name below `live` that differs from `archive` in content, target, mode or owner; or None.

    The site's `own` paths are left out on both sides. Times are not compared: a service may touch its files. Raises
    ComponentError.
    """

    def is_on_own_path(entry: TreeEntry) -> bool:
        return entry.name in own.ways and stat.S_ISDIR(entry.info.st_mode)

    with archive.open("rb") as file:
        tar = NestedTar(file, archive.name)
        # both come in the order of `walk`
        found = walk(live, own)
        for member in tar.members():
            if member.name == ROOT or own.holds(member.name):
                continue
            entry = next(found, None)
            # a folder above one of the site's paths may exist for that path alone
            while entry is not None and entry.name != member.name and is_on_own_path(entry):
                entry = next(found, None)
            if entry is None:
                return member.name
            if entry.name != member.name or not _is_same(entry, member, tar):
                return min(entry.name, member.name)
            checkpoint(0)
        return next((entry.name for entry in found if not is_on_own_path(entry)), None)


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
