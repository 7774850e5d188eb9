"""Recursive listing of a folder through descriptors, so that no symbolic link leads out of it."""

import os
import stat
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Protocol

from backups.errors import ComponentError
from backups.lib.filesystem.folders import OpenFolders
from backups.lib.filesystem.open_files import NONE_LEFT, open_relieved
from backups.lib.paths import no_file, unreadable, vanished
from backups.lib.site_paths import NO_SITE_PATHS_BELOW

FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NONBLOCK | os.O_CLOEXEC
# O_NONBLOCK: opening a named pipe without a writer would block
FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
KNOWN = frozenset({stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK})
# a restore builds a tree under this name in its folder where it cannot build it beside that
DRAFT_INSIDE = ".backupsite-restoring"


class TreeEntry:
    """An entry of the tree at `root`: its name within that, and the descriptor of its folder.

    `type` is that of the listing, one of stat.S_IFMT, 0 for what is neither file, folder nor link. The stat `info` is
    taken when it is first asked for: of most files an open descriptor has it.
    """

    __slots__ = ("_info", "dir_fd", "name", "root", "type")

    def __init__(
        self, root: Path, name: str, dir_fd: int, info: os.stat_result | None = None, type: int | None = None
    ) -> None:
        self.root, self.name, self.dir_fd, self._info = root, name, dir_fd, info
        self.type = stat.S_IFMT(self.info.st_mode) if type is None else type

    @property
    def info(self) -> os.stat_result:
        """Return the stat. Raises ComponentError."""
        if self._info is None:
            try:
                self._info = os.stat(self.base, dir_fd=self.dir_fd, follow_symlinks=False)
            except OSError as error:
                raise _lost(self.path, error) from error
        return self._info

    @property
    def path(self) -> Path:
        return self.root / self.name

    @property
    def base(self) -> str:
        """Return the last part of the name."""
        return self.name.rpartition("/")[2]

    @property
    def is_file(self) -> bool:
        return self.type == stat.S_IFREG

    @property
    def is_folder(self) -> bool:
        return self.type == stat.S_IFDIR

    @property
    def is_special(self) -> bool:
        return self.type not in KNOWN

    @property
    def kind(self) -> str:
        mode = self.info.st_mode
        return "socket" if stat.S_ISSOCK(mode) else "pipe" if stat.S_ISFIFO(mode) else "device"

    def open(self) -> tuple[int, os.stat_result]:
        """Open the file for reading; return its descriptor, and its stat.

        Raises ComponentError for what is no regular file any more.
        """
        descriptor = self.open_unchecked()
        try:
            return descriptor, self.checked(descriptor)
        except BaseException:
            os.close(descriptor)
            raise

    def open_unchecked(self, relieve: Callable[[], object] = lambda: None) -> int:
        """Open for reading what has the name of the file, and return its descriptor.

        `relieve` is called where too many files are open. Raises ComponentError.
        """
        # not by `open_relieved`: for each file that would take noticeable time
        try:
            return os.open(self.base, FILE, dir_fd=self.dir_fd)
        except OSError as error:
            if error.errno not in NONE_LEFT:
                raise _lost(self.path, error) from error
        relieve()
        try:
            return os.open(self.base, FILE, dir_fd=self.dir_fd)
        except OSError as error:
            raise _lost(self.path, error) from error

    def checked(self, descriptor: int) -> os.stat_result:
        """Return the stat of what was opened. Raises ComponentError unless that is a regular file."""
        info = os.fstat(descriptor)
        if not stat.S_ISREG(info.st_mode):
            raise no_file(self.path)
        return info


def _lost(path: Path, error: OSError) -> ComponentError:
    return vanished(path) if isinstance(error, FileNotFoundError) else unreadable(path, error)


class Excluded(Protocol):
    """What a walk leaves out: names relative to its root, with everything below them."""

    def holds(self, name: str, /) -> bool: ...


def walk(
    root: Path,
    excluded: Excluded = NO_SITE_PATHS_BELOW,
    *,
    draft: Callable[[str], object] = lambda _: None,
    relieve: Callable[[], object] = lambda: None,
) -> Iterator[TreeEntry]:
    """Yield what is below `root`, sorted by name, the entries of a folder before those of the folders in it.

    Symbolic links are not followed. What is `excluded`, such as the site's own paths, is left out, and so
    are drafts of restores: `draft` is called with the name of each. `relieve` is called where too many files are open
    for a folder. Raises ComponentError for what cannot be read or vanishes during the walk.
    """
    try:
        way = OpenFolders(os.open(root, FOLDER))
    except OSError as error:
        raise _lost(root, error) from error
    # the folders on the way, and of each the folders in it that are still to be listed, the next one last
    entered, remaining = [""], list[list[str]]()
    try:
        while entered:
            if len(remaining) < len(entered):
                folders = []
                for entry in _entries(root, entered[-1], way.descriptor, excluded, draft, relieve):
                    if entry.is_folder:
                        folders.append(entry.name)
                    yield entry
                remaining.append(folders[::-1])
            elif remaining[-1]:
                name = remaining[-1].pop()
                enter = partial(way.enter, name.rpartition("/")[2])
                open_relieved(enter, relieve, partial(_lost, root / name))
                entered.append(f"{name}/")
            else:
                remaining.pop()
                name = entered.pop()
                if entered:
                    open_relieved(way.leave, relieve, partial(_lost, root / name))
    finally:
        way.close()


def _entries(
    root: Path,
    prefix: str,
    folder: int,
    excluded: Excluded,
    draft: Callable[[str], object],
    relieve: Callable[[], object],
) -> Iterator[TreeEntry]:
    names, others = list[str](), dict[str, int]()
    listing = open_relieved(lambda: os.scandir(folder), relieve, partial(unreadable, root / prefix))
    try:
        with listing as found:
            for one in found:
                names.append(one.name)
                # the listing tells it, on most file systems without a stat
                if not one.is_file(follow_symlinks=False):
                    is_folder = one.is_dir(follow_symlinks=False)
                    others[one.name] = stat.S_IFDIR if is_folder else stat.S_IFLNK if one.is_symlink() else 0
    except OSError as error:
        raise unreadable(root / prefix, error) from error
    names.sort()
    holds = excluded.holds
    for base in names:
        name = prefix + base
        if holds(name):
            continue
        if base == DRAFT_INSIDE:
            draft(name)
            continue
        yield TreeEntry(root, name, folder, None, others.get(base, stat.S_IFREG))
