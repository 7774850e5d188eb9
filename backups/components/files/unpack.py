"""Unpacking the nested tar of a tree below an open folder, so that nothing in it leads out of that folder."""

import os
import tarfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from backups.components.files.pack import ROOT
from backups.components.files.read import NestedTar
from backups.lib.atomic import FOLDER
from backups.lib.ownership import Ownership
from backups.lib.site_paths import NO_PLACES_BELOW, PlacesBelow

NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def unpack_tree(
    archive: Path,
    root: int,
    otherwise: Ownership,
    checkpoint: Callable[[int], None],
    own: PlacesBelow = NO_PLACES_BELOW,
) -> None:
    """Unpack `archive` below the open, empty folder `root`: folders and files first, then links, last what is theirs.

    While files are written there is no link that could lead one of them elsewhere, and the root stays private: it is
    opened last, with its own mode and owner, or with `otherwise` where the tar says nothing of it. What the tar has of
    the site's `own` places is passed over. `checkpoint` gets the bytes written and may raise. Raises ComponentError
    naming a member that has no place in a tree of ours, and OSError.
    """
    links: list[tarfile.TarInfo] = []
    folders: list[tarfile.TarInfo] = []
    with archive.open("rb") as file, closing(_Folders(root)) as below:
        tar = NestedTar(file, archive.name)
        for member in tar.members():
            if own.holds(member.name):
                continue
            if member.isreg():
                with _placing(member, archive):
                    descriptor = below.create(member.name)
                _write_file(descriptor, tar, member, checkpoint)
                continue
            (links if member.issym() else folders).append(member)
            if member.isdir() and member.name != ROOT:
                with _placing(member, archive):
                    below.make_folder(member.name)
        for member in links:
            with _placing(member, archive):
                _link(member, below)
        # the deepest first: a folder may take away the right to look into it
        for member in reversed(folders):
            _finish_folder(member, below, root)
    if not any(member.name == ROOT for member in folders):
        otherwise.give(root)


@contextmanager
def _placing(member: tarfile.TarInfo, archive: Path) -> Iterator[None]:
    """A name that stands there twice, or below something that is no folder, cannot be of ours."""
    try:
        yield
    except (FileExistsError, FileNotFoundError, NotADirectoryError) as error:
        raise NestedTar.refused(member, archive.name) from error


def _write_file(descriptor: int, tar: NestedTar, member: tarfile.TarInfo, checkpoint: Callable[[int], None]) -> None:
    with os.fdopen(descriptor, "wb") as file:
        for piece in tar.content():
            file.write(piece)
            checkpoint(len(piece))
        file.flush()
        _finish(descriptor, member)


def _link(member: tarfile.TarInfo, below: "_Folders") -> None:
    parent, base = below.holding(member.name)
    os.symlink(member.linkname, base, dir_fd=parent)
    if os.geteuid() == 0:
        os.chown(base, member.uid, member.gid, dir_fd=parent, follow_symlinks=False)
    os.utime(base, (member.mtime, member.mtime), dir_fd=parent, follow_symlinks=False)


def _finish_folder(member: tarfile.TarInfo, below: "_Folders", root: int) -> None:
    if member.name == ROOT:
        _finish(root, member)
        return
    parent, base = below.holding(member.name)
    descriptor = os.open(base, FOLDER, dir_fd=parent)
    try:
        _finish(descriptor, member)
    finally:
        os.close(descriptor)


def _finish(descriptor: int, member: tarfile.TarInfo) -> None:
    if os.geteuid() == 0:
        os.fchown(descriptor, member.uid, member.gid)
    # after the owner: a change of owner takes set-user-id bits away
    os.fchmod(descriptor, member.mode)
    os.utime(descriptor, (member.mtime, member.mtime))


class _Folders:
    """Opens the folder that holds a member, step by step and through no link; the last one stays open."""

    def __init__(self, root: int) -> None:
        self._root = root
        self._name, self._descriptor = "", os.dup(root)

    def holding(self, name: str) -> tuple[int, str]:
        """Return the open folder that holds `name`, until the next call, and the last part of `name`."""
        parent, _, base = name.rpartition("/")
        if parent != self._name:
            self._move(parent)
        return self._descriptor, base

    def create(self, name: str) -> int:
        """Return the descriptor of the new file `name`, opened for writing."""
        parent, base = self.holding(name)
        return os.open(base, NEW_FILE, 0o600, dir_fd=parent)

    def make_folder(self, name: str) -> None:
        parent, base = self.holding(name)
        os.mkdir(base, 0o700, dir_fd=parent)

    def _move(self, folder: str) -> None:
        descriptor = os.dup(self._root)
        for part in folder.split("/") if folder else []:
            try:
                inner = os.open(part, FOLDER, dir_fd=descriptor)
            finally:
                os.close(descriptor)
            descriptor = inner
        self.close()
        self._name, self._descriptor = folder, descriptor

    def close(self) -> None:
        os.close(self._descriptor)
