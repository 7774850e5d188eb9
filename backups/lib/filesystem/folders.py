"""Going through folders of any depth by descriptors, few of which are open; no symbolic link is followed."""

import errno
import os
from collections import deque
from collections.abc import Callable
from pathlib import Path

from backups.lib.paths import Identity

FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
MOST_OPEN = 32


class OpenFolders:
    """A way down from the folder `root`, a descriptor that is taken over: `enter` a folder, `leave` it again.

    At most MOST_OPEN descriptors are open. A folder further up is opened again when the way leads back to it.
    """

    def __init__(self, root: int) -> None:
        self._open = deque([root])
        self._closed: list[Identity] = []

    @property
    def descriptor(self) -> int:
        """Return the descriptor of the current folder, valid until the next `enter` or `leave`."""
        return self._open[-1]

    def enter(self, name: str) -> None:
        """Go to the folder `name` in the current one. Raises OSError."""
        self._open.append(os.open(name, FOLDER, dir_fd=self.descriptor))
        if len(self._open) > MOST_OPEN:
            upper = self._open.popleft()
            self._closed.append(_identity(upper))
            os.close(upper)

    def leave(self) -> None:
        """Go back to the folder above. Raises FileNotFoundError when the current one was moved meanwhile."""
        if len(self._open) == 1:
            upper = os.open("..", FOLDER, dir_fd=self.descriptor)
            self._open.appendleft(upper)
            if _identity(upper) != self._closed.pop():
                raise FileNotFoundError(errno.ENOENT, "the folder was moved")
        os.close(self._open.pop())

    def close(self) -> None:
        while self._open:
            os.close(self._open.pop())


def open_below(root: Path | int, name: str, flags: int) -> int:
    """Return a descriptor of the entry `name` of the tree at `root`; no part of `name` is followed. Raises OSError."""
    # who may write into the tree could put a link in place of any folder in it
    way = OpenFolders(os.dup(root) if isinstance(root, int) else os.open(root, FOLDER))
    try:
        *folders, base = name.split("/")
        for folder in folders:
            way.enter(folder)
        return os.open(base or ".", flags | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=way.descriptor)
    finally:
        way.close()


def _identity(descriptor: int) -> Identity:
    info = os.fstat(descriptor)
    return info.st_dev, info.st_ino


def remove_tree(path: Path, checkpoint: Callable[[int], None] = lambda _: None) -> None:
    """Remove the folder `path` with everything in it, at any depth. Raises OSError at the first that stays.

    `checkpoint` is called with 0 for each folder, and may raise.
    """
    way = OpenFolders(os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
    entered: list[str] = []
    # for each folder on the way, the folders in it that are still to be removed
    remaining = [[path.name]]
    try:
        while entered or remaining[-1]:
            if remaining[-1]:
                checkpoint(0)
                entered.append(remaining[-1].pop())
                _enter_writable(way, entered[-1])
                remaining.append(_remove_files(way.descriptor))
            else:
                remaining.pop()
                way.leave()
                os.rmdir(entered.pop(), dir_fd=way.descriptor)
    finally:
        way.close()


def _enter_writable(way: OpenFolders, name: str) -> None:
    """Enter the folder, with the permission to remove what is in it."""
    if os.geteuid():
        # its own mode may keep even its owner out
        folder = os.open(name, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=way.descriptor)
        try:
            if (info := os.fstat(folder)).st_uid == os.geteuid() and info.st_mode & 0o700 != 0o700:
                Path(f"/proc/self/fd/{folder}").chmod(0o700)
        finally:
            os.close(folder)
    way.enter(name)


def _remove_files(folder: int) -> list[str]:
    """Remove everything but the folders in the open `folder`; return the names of those."""
    with os.scandir(folder) as found:
        entries = list(found)
    folders = []
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            folders.append(entry.name)
        else:
            os.unlink(entry.name, dir_fd=folder)
    return folders
