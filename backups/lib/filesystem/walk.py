"""Recursive listing of a folder through descriptors, so that no symbolic link leads out of it."""

import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple, Protocol

from backups.lib.filesystem.folders import OpenFolders
from backups.lib.paths import no_file, unreadable, vanished
from backups.lib.site_paths import NO_SITE_PATHS_BELOW

FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NONBLOCK | os.O_CLOEXEC
# O_NONBLOCK: opening a named pipe without a writer would block
FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
# a restore builds a tree under this name in its folder where it cannot build it beside that
DRAFT_INSIDE = ".backupsite-restoring"


class TreeEntry(NamedTuple):
    """A file or folder in the tree at `root`: its name within that, its stat, and the descriptor of its folder."""

    root: Path
    name: str
    dir_fd: int
    info: os.stat_result

    @property
    def path(self) -> Path:
        return self.root / self.name

    @property
    def base(self) -> str:
        """Return the last part of the name."""
        return self.name.rpartition("/")[2]

    @property
    def is_file(self) -> bool:
        return stat.S_ISREG(self.info.st_mode)

    @property
    def is_folder(self) -> bool:
        return stat.S_ISDIR(self.info.st_mode)

    @property
    def is_special(self) -> bool:
        mode = self.info.st_mode
        return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode) or stat.S_ISLNK(mode))

    @property
    def kind(self) -> str:
        mode = self.info.st_mode
        return "socket" if stat.S_ISSOCK(mode) else "pipe" if stat.S_ISFIFO(mode) else "device"

    def open(self) -> tuple[int, os.stat_result]:
        """Open the file for reading; return its descriptor, and its stat.

        Raises ComponentError for what is no regular file any more.
        """
        try:
            descriptor = os.open(self.base, FILE, dir_fd=self.dir_fd)
        except FileNotFoundError as error:
            raise vanished(self.path) from error
        except OSError as error:
            raise unreadable(self.path, error) from error
        info = os.fstat(descriptor)
        if not stat.S_ISREG(info.st_mode):
            os.close(descriptor)
            raise no_file(self.path)
        return descriptor, info


class Excluded(Protocol):
    """What a walk leaves out: names relative to its root, with everything below them."""

    def holds(self, name: str, /) -> bool: ...


def walk(
    root: Path, excluded: Excluded = NO_SITE_PATHS_BELOW, *, draft: Callable[[str], object] = lambda _: None
) -> Iterator[TreeEntry]:
    """Yield what is below `root`, sorted by name, the entries of a folder before those of the folders in it.

    Symbolic links are not followed. What is `excluded`, such as the site's own paths, is left out, and so
    are drafts of restores: `draft` is called with the name of each. Raises ComponentError for what cannot be read or
    vanishes during the walk.
    """
    try:
        way = OpenFolders(os.open(root, FOLDER))
    except FileNotFoundError as error:
        raise vanished(root) from error
    except OSError as error:
        raise unreadable(root, error) from error
    # the folders on the way, and of each the folders in it that are still to be listed, the next one last
    entered, remaining = [""], list[list[str]]()
    try:
        while entered:
            if len(remaining) < len(entered):
                folders = []
                for entry in _entries(root, entered[-1], way.descriptor, excluded, draft):
                    if entry.is_folder:
                        folders.append(entry.name)
                    yield entry
                remaining.append(folders[::-1])
            elif remaining[-1]:
                name = remaining[-1].pop()
                try:
                    way.enter(name.rpartition("/")[2])
                except FileNotFoundError as error:
                    raise vanished(root / name) from error
                except OSError as error:
                    raise unreadable(root / name, error) from error
                entered.append(f"{name}/")
            else:
                remaining.pop()
                name = entered.pop()
                if entered:
                    try:
                        way.leave()
                    except OSError as error:
                        raise vanished(root / name) from error
    finally:
        way.close()


def _entries(
    root: Path, prefix: str, folder: int, excluded: Excluded, draft: Callable[[str], object]
) -> Iterator[TreeEntry]:
    try:
        names = sorted(os.listdir(folder))
    except OSError as error:
        raise unreadable(root / prefix, error) from error
    holds, stat_of = excluded.holds, os.stat
    for base in names:
        name = prefix + base
        if holds(name):
            continue
        if base == DRAFT_INSIDE:
            draft(name)
            continue
        try:
            info = stat_of(base, dir_fd=folder, follow_symlinks=False)
        except FileNotFoundError as error:
            raise vanished(root / name) from error
        except OSError as error:
            raise unreadable(root / name, error) from error
        yield TreeEntry(root, name, folder, info)
