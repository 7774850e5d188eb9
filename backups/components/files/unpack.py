"""Unpacking the nested tar of a tree below an open folder; no member can be written outside of it."""

import errno
import os
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path

from backups.components.files.format.header import FILE, FOLDER, LINK, ROOT, Member
from backups.components.files.index import read_tar
from backups.components.files.read import BUFFER_BYTES, NestedTar
from backups.components.files.replacing.scope import WHOLE, Scope
from backups.components.files.unkept import Unkept
from backups.lib.filesystem.attributes import set_attributes
from backups.lib.filesystem.folders import OpenFolders
from backups.lib.filesystem.ownership import Ownership

NEW_FILE = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
TIMES = "the modification time"


def unpack_tree(
    archive: Path,
    root: int,
    otherwise: Ownership,
    checkpoint: Callable[[int], None],
    scope: Scope = WHOLE,
    *,
    trusted: bool = True,
    index: Path | None = None,
) -> Unkept:
    """Unpack what `archive` has of `scope` below the open, empty folder `root`; return what could not be kept.

    The root gets its mode and owner from the tar, or `otherwise` where the tar has none. What is not `trusted` gets no
    privileges. `index` is that of `archive`, where it has one. `checkpoint` is called with the bytes written and may
    raise. Raises ComponentError that names a member which does not belong in such a tree, and OSError.
    """
    unkept = Unkept()
    # what the folder above gives to new entries must not get into the tree
    set_attributes(root, {})
    with archive.open("rb", buffering=BUFFER_BYTES) as file, closing(_Folders(root)) as below:
        tar = read_tar(file, archive.name, index, trusted=trusted)
        top: Member | None = None
        for member in tar.members():
            if (name := scope.inner(member.name)) is None:
                continue
            if name == ROOT:
                top = member
                continue
            try:
                parent, base = below.holding(name, unkept)
                if member.type == FILE:
                    descriptor = os.open(base, NEW_FILE, 0o600, dir_fd=parent)
                elif member.type == FOLDER:
                    os.mkdir(base, 0o700, dir_fd=parent)
                    below.made(name, member)
                elif member.type == LINK:
                    _make_link(member, parent, base, unkept)
                else:
                    below.link(scope.inner(member.target), parent, base)
            except (FileExistsError, FileNotFoundError, NotADirectoryError) as error:
                # a name that repeats, or lies below something that is not a folder: `pack_tree` writes none
                raise NestedTar.refused(member.name, archive.name) from error
            if member.type == FILE:
                try:
                    write_content(descriptor, member, tar, checkpoint)
                    set_metadata(descriptor, member, unkept)
                finally:
                    os.close(descriptor)
        below.finish(unkept)
        # the root last: its own mode may not let this user enter it
        if top is not None:
            set_metadata(root, top, unkept)
        else:
            otherwise.set_on(root)
        unkept.limited = tar.limited
    return unkept


def write_content(descriptor: int, member: Member, tar: NestedTar, checkpoint: Callable[[int], None]) -> None:
    """Write what `tar` has of `member` into an open, empty file; holes stay holes. Raises OSError."""
    for offset, piece in tar.content():
        written = os.pwrite(descriptor, piece, offset)
        while written < len(piece):
            written += os.pwrite(descriptor, memoryview(piece)[written:], offset + written)
        checkpoint(len(piece))
    if member.sparse:
        os.ftruncate(descriptor, member.size)


def _make_link(member: Member, parent: int, base: str, unkept: Unkept) -> None:
    os.symlink(member.target, base, dir_fd=parent)
    if os.geteuid() == 0:
        os.chown(base, member.uid, member.gid, dir_fd=parent, follow_symlinks=False)
    _set_attributes(f"/proc/self/fd/{parent}/{base}", member, unkept)
    _set_time(partial(os.utime, base, ns=_times(member), dir_fd=parent, follow_symlinks=False), member, unkept)
    _compare_time(os.stat(base, dir_fd=parent, follow_symlinks=False), member, unkept)


def set_metadata(descriptor: int, member: Member, unkept: Unkept) -> None:
    """Give an open file or folder the owner, attributes, mode and time of `member`, and note what it does not take."""
    info = os.fstat(descriptor)
    # some file systems refuse root even the owner that it has: NFS, FAT
    if (info.st_uid, info.st_gid) != (member.uid, member.gid) and os.geteuid() == 0:
        os.fchown(descriptor, member.uid, member.gid)
    # after the owner: changing it removes file capabilities and clears set-user-id bits
    _set_attributes(descriptor, member, unkept)
    os.fchmod(descriptor, member.mode)
    _set_time(partial(os.utime, descriptor, ns=_times(member)), member, unkept)
    _compare_time(os.fstat(descriptor), member, unkept)


def _times(member: Member) -> tuple[int, int]:
    return member.mtime_ns, member.mtime_ns


def _set_attributes(target: int | str, member: Member, unkept: Unkept) -> None:
    for name, reason in set_attributes(target, member.attributes).items():
        unkept.add(name, member.name, reason)


def _set_time(set_it: Callable[[], None], member: Member, unkept: Unkept) -> None:
    try:
        set_it()
    except OSError as error:
        # EOVERFLOW, EINVAL: a file system with times of 32 bits
        if error.errno not in (errno.EOVERFLOW, errno.EINVAL):
            raise


def _compare_time(info: os.stat_result, member: Member, unkept: Unkept) -> None:
    # a file system may have a shorter range, and coarser times
    if info.st_mtime_ns != member.mtime_ns:
        unkept.add(TIMES, member.name, "the file system has no such time")


class _Folders:
    """The folders below `root` that members are made in, opened without following links.

    A folder gets its own mode, owner and times when nothing more comes below it: they may not let this user enter it.
    """

    def __init__(self, root: int) -> None:
        self._root = root
        self._way = OpenFolders(os.dup(root))
        self._name = ""
        self._entered: list[str] = []
        # of the folders on the way: those in it that are empty so far
        self._waiting: list[dict[str, Member]] = [{}]
        self._above: list[Member] = []

    def holding(self, name: str, unkept: Unkept) -> tuple[int, str]:
        """Return the open folder that holds `name`, until the next call, and the last part of `name`."""
        parent, _, base = name.rpartition("/")
        if parent != self._name:
            self._go_to(parent, unkept)
        return self._way.descriptor, base

    def _go_to(self, name: str, unkept: Unkept) -> None:
        parts = name.split("/") if name else []
        common = 0
        for here, there in zip(self._entered, parts, strict=False):
            if here != there:
                break
            common += 1
        while len(self._entered) > common:
            self._leave(unkept)
        for part in parts[common:]:
            member = self._waiting[-1].pop(part, None)
            if member is None:
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), part)
            self._way.enter(part)
            self._entered.append(part)
            self._above.append(member)
            self._waiting.append({})
        self._name = name

    def _leave(self, unkept: Unkept) -> None:
        self._set_waiting(unkept)
        self._waiting.pop()
        descriptor = os.dup(self._way.descriptor)
        try:
            self._way.leave()
            # last: making an entry in it changes its time
            set_metadata(descriptor, self._above.pop(), unkept)
        finally:
            os.close(descriptor)
        self._entered.pop()

    def _set_waiting(self, unkept: Unkept) -> None:
        for base, member in self._waiting[-1].items():
            self._way.enter(base)
            descriptor = os.dup(self._way.descriptor)
            try:
                self._way.leave()
                set_metadata(descriptor, member, unkept)
            finally:
                os.close(descriptor)

    def made(self, name: str, member: Member) -> None:
        """Take the folder `name`, which was made in the current folder."""
        self._waiting[-1][name.rpartition("/")[2]] = member

    def link(self, first: str | None, parent: int, base: str) -> None:
        """Give the file `first` the second name `base` in the open folder `parent`."""
        if first is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        folder, _, name = first.rpartition("/")
        way = OpenFolders(os.dup(self._root))
        try:
            for part in folder.split("/") if folder else []:
                way.enter(part)
            os.link(name, base, src_dir_fd=way.descriptor, dst_dir_fd=parent, follow_symlinks=False)
        finally:
            way.close()

    def finish(self, unkept: Unkept) -> None:
        """Give the folders that are still open their own modes, owners and times."""
        while self._entered:
            self._leave(unkept)
        self._set_waiting(unkept)

    def close(self) -> None:
        self._way.close()
