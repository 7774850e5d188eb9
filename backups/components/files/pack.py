"""A tree of files as one tar: names, modes, owners, times and links, in the format of GNU tar.

Written here and not through TarFile, which cuts a file that grows meanwhile in silence. ``tar xpf`` of the member gives
the tree back.
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
from backups.lib.site_paths import NO_PLACES_BELOW, PlacesBelow
from backups.lib.walk import FOLDER, TreeEntry, walk
from destinations.lib.formats import printable

TAR_BLOCK = 512
ROOT = "."


Note = Callable[[tarfile.TarInfo, int], None]


@dataclass(slots=True)
class PackedTree:
    """How many files and links were packed, what the files hold together, and a warning for each thing left out."""

    files: int = 0
    file_bytes: int = 0
    warnings: list[str] = field(default_factory=list)


def pack_tree(
    root: Path,
    target: Path,
    checkpoint: Callable[[int], None],
    note: Note,
    own: PlacesBelow = NO_PLACES_BELOW,
) -> PackedTree:
    """Write the tree at `root` into the new file `target` (0600).

    `note` gets each member with its modification time in nanoseconds. The site's `own` places are left out; whoever
    knows them says so. Raises ComponentError.
    """
    packed = PackedTree()
    target.touch(mode=0o600, exist_ok=False)
    with target.open("r+b") as tar:
        tar.write(_header(_described(ROOT, _look_at_folder(root))))
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


def _look_at_folder(path: Path) -> os.stat_result:
    try:
        descriptor = os.open(path, FOLDER)
    except OSError as error:
        raise unreadable(path, error) from error
    try:
        return os.fstat(descriptor)
    finally:
        os.close(descriptor)


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
        _add_file(tar, member, entry, checkpoint)
        return member
    if stat.S_ISLNK(entry.info.st_mode):
        member.type = tarfile.SYMTYPE
        member.linkname = _target_of(entry)
    tar.write(_header(member))
    return member


def _target_of(entry: TreeEntry) -> str:
    try:
        return os.readlink(entry.path.name, dir_fd=entry.dir_fd)
    except FileNotFoundError as error:
        raise vanished(entry.path) from error


def _add_file(tar: BinaryIO, member: tarfile.TarInfo, entry: TreeEntry, checkpoint: Callable[[int], None]) -> None:
    with open_regular(entry.path, dir_fd=entry.dir_fd) as reading:
        member.size = os.fstat(reading.fileno()).st_size
        tar.write(_header(member))
        copy_unchanged(reading, tar, entry.path, checkpoint)
        tar.write(bytes(-member.size % TAR_BLOCK))


def _header(member: tarfile.TarInfo) -> bytes:
    # of the formats without limits the one that keeps names of any bytes without remarks from tar
    return member.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape")
