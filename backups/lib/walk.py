"""Recursive listing of a folder through descriptors, so that no symbolic link leads out of it."""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from backups.lib.paths import unreadable, vanished
from backups.lib.site_paths import NO_SITE_PATHS_BELOW, SitePathsBelow

FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NONBLOCK | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class TreeEntry:
    """A file or folder in a tree: its path, its name within the tree, its stat, and the descriptor of its folder."""

    path: Path
    name: str
    dir_fd: int
    info: os.stat_result

    @property
    def is_file(self) -> bool:
        return stat.S_ISREG(self.info.st_mode)

    @property
    def is_special(self) -> bool:
        mode = self.info.st_mode
        return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode) or stat.S_ISLNK(mode))

    @property
    def kind(self) -> str:
        mode = self.info.st_mode
        return "socket" if stat.S_ISSOCK(mode) else "pipe" if stat.S_ISFIFO(mode) else "device"


def walk(root: Path, own: SitePathsBelow = NO_SITE_PATHS_BELOW) -> Iterator[TreeEntry]:
    """Yield what is below `root`, sorted by name, parents first; symbolic links are not followed.

    The site's `own` paths and what is below them are left out. Raises ComponentError for what cannot be read or
    vanishes during the walk.
    """
    # no recursion: a tree may be deeper than Python's stack
    levels = [_Level(root, "", None)]
    try:
        while levels:
            level = levels[-1]
            if level.unseen:
                yield from level.entries(own)
            elif level.folders:
                name = level.folders.pop()
                levels.append(_Level(root, f"{level.name}{name}/", level.descriptor))
            else:
                os.close(levels.pop().descriptor)
    finally:
        for level in levels:
            os.close(level.descriptor)


class _Level:
    """An open folder: its entries are yielded first, then those of the folders in it."""

    def __init__(self, root: Path, name: str, parent: int | None) -> None:
        self.path, self.name = root / name, name
        self.folders: list[str] = []
        self.unseen = True
        # a folder below may be replaced by a link while it is walked; the root may be one on purpose
        base, flags = (root, FOLDER) if parent is None else (self.path.name, FOLDER | os.O_NOFOLLOW)
        try:
            self.descriptor = os.open(base, flags, dir_fd=parent)
        except FileNotFoundError as error:
            raise vanished(self.path) from error
        except OSError as error:
            raise unreadable(self.path, error) from error

    def entries(self, own: SitePathsBelow) -> Iterator[TreeEntry]:
        self.unseen = False
        try:
            names = sorted(os.listdir(self.descriptor))  # noqa: PTH208 - of the open descriptor, not of the path
        except OSError as error:
            raise unreadable(self.path, error) from error
        for name in names:
            if own.holds(self.name + name):
                continue
            path = self.path / name
            try:
                info = os.stat(name, dir_fd=self.descriptor, follow_symlinks=False)
            except FileNotFoundError as error:
                raise vanished(path) from error
            except OSError as error:
                raise unreadable(path, error) from error
            if stat.S_ISDIR(info.st_mode):
                self.folders.append(name)
            yield TreeEntry(path, self.name + name, self.descriptor, info)
        # taken from the end
        self.folders.reverse()
