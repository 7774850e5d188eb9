"""Packing a tree of files into one tar in the format of GNU tar: names, modes, owners, times and links.

Not written through TarFile, which silently truncates a file that grows while it is read.
"""

import os
import stat
import tarfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from backups.lib.copy import copy_unchanged, open_regular
from backups.lib.paths import unreadable, vanished
from backups.lib.site_paths import NO_SITE_PATHS_BELOW, SitePathsBelow
from backups.lib.walk import FOLDER, TreeEntry, walk
from destinations.lib.formats import printable

TAR_BLOCK = 512
ROOT = "."


Note = Callable[[tarfile.TarInfo, int], None]


@dataclass(slots=True)
class PackedTree:
    """The number of packed files and links, the bytes of the files, and a warning for each entry left out."""

    files: int = 0
    file_bytes: int = 0
    warnings: list[str] = field(default_factory=list)


def pack_tree(
    root: Path,
    target: Path,
    checkpoint: Callable[[int], None],
    note: Note,
    own: SitePathsBelow = NO_SITE_PATHS_BELOW,
) -> PackedTree:
    """Write the tree at `root` into the new file `target` (0600).

    `note` is called with each member and its modification time in nanoseconds. The site's `own` paths are left out
    without a warning. Raises ComponentError.
    """
    packed = PackedTree()
    target.touch(mode=0o600, exist_ok=False)
    with target.open("r+b") as tar:
        try:
            descriptor = os.open(root, FOLDER)
        except OSError as error:
            raise unreadable(root, error) from error
        try:
            tar.write(_header(_described(ROOT, os.fstat(descriptor))))
        finally:
            os.close(descriptor)
        for entry in walk(root, own):
            if entry.is_special:
                packed.warnings.append(printable(f"{entry.path} is a {entry.kind} and was left out"))
            else:
                member = _add(tar, entry, checkpoint)
                note(member, entry.info.st_mtime_ns)
                packed.files += not member.isdir()
                packed.file_bytes += member.size
        tar.write(bytes(2 * TAR_BLOCK))
    return packed


def _described(name: str, info: os.stat_result) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.mode = stat.S_IMODE(info.st_mode)
    member.uid, member.gid = info.st_uid, info.st_gid
    member.mtime = int(info.st_mtime)
    if stat.S_ISDIR(info.st_mode):
        member.type = tarfile.DIRTYPE
    return member


def _add(tar: BinaryIO, entry: TreeEntry, checkpoint: Callable[[int], None]) -> tarfile.TarInfo:
    member = _described(entry.name, entry.info)
    if entry.is_file:
        with open_regular(entry.path, dir_fd=entry.dir_fd) as reading:
            member.size = os.fstat(reading.fileno()).st_size
            tar.write(_header(member))
            copy_unchanged(reading, tar, entry.path, checkpoint)
            tar.write(bytes(-member.size % TAR_BLOCK))
        return member
    if stat.S_ISLNK(entry.info.st_mode):
        member.type = tarfile.SYMTYPE
        try:
            member.linkname = os.readlink(entry.path.name, dir_fd=entry.dir_fd)
        except FileNotFoundError as error:
            raise vanished(entry.path) from error
    tar.write(_header(member))
    return member


def _header(member: tarfile.TarInfo) -> bytes:
    # of the formats without length limits, the one with names of any bytes that tar unpacks without warnings
    return member.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape")
