"""Holding a live tree against its nested tar, entry by entry, however many there are."""

import os
import stat
import tarfile
from collections.abc import Callable
from itertools import zip_longest
from pathlib import Path

from backups.components.copying import open_regular
from backups.components.nested_reader import NestedTar
from backups.components.nested_tar import ROOT
from backups.components.walking import TreeEntry, walk


def first_difference(archive: Path, live: Path, checkpoint: Callable[[int], None]) -> str | None:
    """Return the first name below `live` that is not what `archive` says, in content, target, mode or owner; or None.

    Both are in the order of `walk`. Times are not compared: a service may touch its files. Raises ComponentError.
    """
    with archive.open("rb") as file:
        tar = NestedTar(file, archive.name)
        packed = (member for member in tar.members() if member.name != ROOT)
        for entry, member in zip_longest(walk(live), packed):
            if member is None or entry is None:
                return str((entry or member).name)
            if entry.name != member.name or not _is_same(entry, member, tar):
                return str(min(entry.name, member.name))
            checkpoint(0)
    return None


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
