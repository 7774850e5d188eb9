"""Comparing a live tree with its nested tar as streams, entry by entry."""

import errno
import os
import stat
from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path

from backups.components.files.format.header import FILE, FOLDER, HARD_LINK, ROOT, Member
from backups.components.files.index import read_tar
from backups.components.files.listing import position
from backups.components.files.read import BUFFER_BYTES, NestedTar
from backups.components.files.replacing.scope import WHOLE, Scope
from backups.lib.beside import beside
from backups.lib.filesystem.attributes import GIVEN, attributes_of
from backups.lib.filesystem.walk import TreeEntry, walk

BLOCK = 1 << 20
# of its tar: below that a tree is compared sooner than a second process is there
SHARED_BYTES = 16 << 20
ALL, EVEN, ODD = (0, 1), (0,), (1,)
# the system may give every file another one at any time
LABELS = frozenset({"security.selinux", "security.SMACK64"})


def first_difference(
    archive: Path,
    live: Path,
    checkpoint: Callable[[int], None],
    scope: Scope = WHOLE,
    *,
    staying: Collection[str] = (),
    unkept: Collection[str] = (),
    trusted: bool = True,
    index: Path | None = None,
) -> str | None:
    """Return the first name below `live` that differs from what `archive` has of `scope`; None when none does.

    Compared are content, target, mode, owner, attributes and which names are one file; not times, because a service may
    touch its files. What is outside of the scope is left out on both sides. The folders `staying` may exist for
    something else, the attributes `unkept` may be missing. `index` is that of `archive`, where it has
    one. Raises ComponentError.
    """

    both = partial(
        _first_difference, archive, live, scope=scope, staying=staying, unkept=unkept, trusted=trusted, index=index
    )
    # headers would be parsed twice
    if index is None or archive.stat().st_size < SHARED_BYTES:
        return both(checkpoint)
    with beside(partial(both, share=ODD)) as other:
        found = [both(checkpoint, EVEN), other(checkpoint)]
    return min((name for name in found if name is not None), key=position, default=None)


def _first_difference(
    archive: Path,
    live: Path,
    checkpoint: Callable[[int], None],
    share: Collection[int] = ALL,
    *,
    scope: Scope,
    staying: Collection[str],
    unkept: Collection[str],
    trusted: bool,
    index: Path | None,
) -> str | None:
    """Compare as `first_difference`: all names, and of the entries with each second number what else they have."""

    def may_stay(entry: TreeEntry) -> bool:
        return entry.is_folder and entry.name in staying

    inodes: dict[str, tuple[int, int]] = {}
    with archive.open("rb", buffering=BUFFER_BYTES) as file:
        tar = read_tar(file, archive.name, index, trusted=trusted)
        # both come in the order of `walk`
        found = walk(live, scope)
        for number, member in enumerate(tar.members()):
            name = scope.inner(member.name)
            if name is None or name == ROOT:
                continue
            entry = next(found, None)
            while entry is not None and entry.name != name and may_stay(entry):
                entry = next(found, None)
            if entry is None:
                return name
            if entry.name != name or (number % 2 in share and not _is_same(entry, member, tar, unkept)):
                return min(entry.name, name)
            if member.type == HARD_LINK:
                if inodes.get(member.target) != (entry.info.st_dev, entry.info.st_ino):
                    return name
            elif member.linked:
                inodes[member.name] = entry.info.st_dev, entry.info.st_ino
            checkpoint(0)
        return next((entry.name for entry in found if not may_stay(entry)), None)


def _is_same(entry: TreeEntry, member: Member, tar: NestedTar, unkept: Collection[str]) -> bool:
    if member.type == HARD_LINK:
        # a name of a file that was compared already
        return entry.is_file
    if member.type == FILE:
        return entry.is_file and _is_same_file(entry, member, tar, unkept)
    if not _has_owner(entry.info, member):
        return False
    if member.type == FOLDER:
        if not entry.is_folder or stat.S_IMODE(entry.info.st_mode) != member.mode:
            return False
    elif not stat.S_ISLNK(entry.info.st_mode) or os.readlink(entry.base, dir_fd=entry.dir_fd) != member.target:
        return False
    # through the folder, because a link cannot be opened
    return _has_attributes(f"/proc/self/fd/{entry.dir_fd}/{entry.base}", member, unkept)


def _is_same_file(entry: TreeEntry, member: Member, tar: NestedTar, unkept: Collection[str]) -> bool:
    descriptor, info = entry.open()
    try:
        if info.st_size != member.size or stat.S_IMODE(info.st_mode) != member.mode or not _has_owner(info, member):
            return False
        if not _has_attributes(descriptor, member, unkept):
            return False
        end = 0
        for offset, piece in tar.content():
            if offset != end and not _is_hole(descriptor, end, offset):
                return False
            if _next(descriptor, offset, len(piece)) != piece:
                return False
            end = offset + len(piece)
        return end == member.size or _is_hole(descriptor, end, member.size)
    finally:
        os.close(descriptor)


def _has_owner(info: os.stat_result, member: Member) -> bool:
    return os.geteuid() != 0 or (info.st_uid, info.st_gid) == (member.uid, member.gid)


def _has_attributes(target: int | str, member: Member, unkept: Collection[str]) -> bool:
    found, wanted = attributes_of(target), member.attributes
    return found == wanted or all(
        found.get(name) == wanted.get(name)
        for name in {*found, *wanted}
        if name not in unkept and name not in LABELS and (name in wanted or name.startswith(GIVEN))
    )


def _is_hole(descriptor: int, start: int, end: int) -> bool:
    """Return whether the file has only zeros there."""
    while start < end:
        try:
            start = os.lseek(descriptor, start, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:
                return True
            raise
        if start < end:
            data = _next(descriptor, start, min(BLOCK, end - start))
            if not data or data.strip(b"\0"):
                return False
            start += len(data)
    return True


def _next(descriptor: int, offset: int, size: int) -> bytes:
    data = os.pread(descriptor, size, offset)
    while len(data) < size and (piece := os.pread(descriptor, size - len(data), offset + len(data))):
        data += piece
    return data
