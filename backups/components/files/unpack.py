"""Unpacking the nested tar of a tree below an open folder; no member can be written outside of it."""

import os
import tarfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from backups.components.files.pack import ROOT
from backups.components.files.read import NestedTar
from backups.lib.atomic import FOLDER
from backups.lib.ownership import Ownership
from backups.lib.site_paths import NO_SITE_PATHS_BELOW, SitePathsBelow

NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def unpack_tree(
    archive: Path,
    root: int,
    otherwise: Ownership,
    checkpoint: Callable[[int], None],
    own: SitePathsBelow = NO_SITE_PATHS_BELOW,
) -> None:
    """Unpack `archive` below the open, empty folder `root`.

    The root gets its mode and owner from the tar, or `otherwise` where the tar has none. Members in the site's `own`
    paths are skipped. `checkpoint` is called with the bytes written and may raise. Raises ComponentError that names a
    member which does not belong in such a tree, and OSError.
    """
    # folders and files first, then links: no link can redirect a file while files are written
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
                with os.fdopen(descriptor, "wb") as writing:
                    for piece in tar.content():
                        writing.write(piece)
                        checkpoint(len(piece))
                    writing.flush()
                    _set_metadata(descriptor, member)
                continue
            (links if member.issym() else folders).append(member)
            if member.isdir() and member.name != ROOT:
                with _placing(member, archive):
                    below.make_folder(member.name)
        for member in links:
            with _placing(member, archive):
                _link(member, below)
        # the deepest first, the root last: a folder's own mode may not let this user enter it
        for member in reversed(folders):
            if member.name == ROOT:
                _set_metadata(root, member)
                continue
            parent, base = below.holding(member.name)
            descriptor = os.open(base, FOLDER, dir_fd=parent)
            try:
                _set_metadata(descriptor, member)
            finally:
                os.close(descriptor)
    if not any(member.name == ROOT for member in folders):
        otherwise.set_on(root)


@contextmanager
def _placing(member: tarfile.TarInfo, archive: Path) -> Iterator[None]:
    """Refuse a `member` that repeats a name, or lies below something that is not a folder: `pack_tree` writes none."""
    try:
        yield
    except (FileExistsError, FileNotFoundError, NotADirectoryError) as error:
        raise NestedTar.refused(member, archive.name) from error


def _link(member: tarfile.TarInfo, below: "_Folders") -> None:
    parent, base = below.holding(member.name)
    os.symlink(member.linkname, base, dir_fd=parent)
    if os.geteuid() == 0:
        os.chown(base, member.uid, member.gid, dir_fd=parent, follow_symlinks=False)
    os.utime(base, (member.mtime, member.mtime), dir_fd=parent, follow_symlinks=False)


def _set_metadata(descriptor: int, member: tarfile.TarInfo) -> None:
    if os.geteuid() == 0:
        os.fchown(descriptor, member.uid, member.gid)
    # after the owner: changing it clears set-user-id bits
    os.fchmod(descriptor, member.mode)
    os.utime(descriptor, (member.mtime, member.mtime))


class _Folders:
    """Opens the folder of a member without following links; the last one stays open for the next member."""

    def __init__(self, root: int) -> None:
        self._root = root
        self._name, self._descriptor = "", os.dup(root)

    def holding(self, name: str) -> tuple[int, str]:
        """Return the open folder that holds `name`, until the next call, and the last part of `name`."""
        parent, _, base = name.rpartition("/")
        if parent != self._name:
            descriptor = os.dup(self._root)
            for part in parent.split("/") if parent else []:
                try:
                    inner = os.open(part, FOLDER, dir_fd=descriptor)
                finally:
                    os.close(descriptor)
                descriptor = inner
            self.close()
            self._name, self._descriptor = parent, descriptor
        return self._descriptor, base

    def create(self, name: str) -> int:
        """Return the descriptor of the new file `name`, opened for writing."""
        parent, base = self.holding(name)
        return os.open(base, NEW_FILE, 0o600, dir_fd=parent)

    def make_folder(self, name: str) -> None:
        parent, base = self.holding(name)
        os.mkdir(base, 0o700, dir_fd=parent)

    def close(self) -> None:
        os.close(self._descriptor)
