"""Swapping the entries of a live folder with those that were built for it.

A folder that the file system cannot move (one of a lower layer of overlayfs) stays; its entries are swapped instead.
"""

import errno
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from backups.components.files.replacing.steps import Step
from backups.lib.filesystem.atomic import FOLDER
from backups.lib.filesystem.attributes import Attributes, attributes_of, set_attributes
from backups.lib.filesystem.exchange import aside_of, rename_exchange
from backups.lib.filesystem.folders import open_below
from destinations.lib.disks import fsync_folder


@dataclass(frozen=True, slots=True)
class Metadata:
    """Stat and attributes of a folder."""

    info: os.stat_result
    attributes: Attributes

    @classmethod
    def of(cls, folder: int) -> "Metadata":
        return cls(os.fstat(folder), attributes_of(folder))

    def give(self, folder: int) -> None:
        """Give the open `folder` this owner, mode, times and attributes, where this user may."""
        info, wanted = os.fstat(folder), self.info
        if os.geteuid() not in (0, info.st_uid):
            return
        if os.geteuid() == 0 and (info.st_uid, info.st_gid) != (wanted.st_uid, wanted.st_gid):
            os.fchown(folder, wanted.st_uid, wanted.st_gid)
        set_attributes(folder, self.attributes)
        if stat.S_IMODE(info.st_mode) != stat.S_IMODE(wanted.st_mode):
            os.fchmod(folder, stat.S_IMODE(wanted.st_mode))
        os.utime(folder, ns=(wanted.st_atime_ns, wanted.st_mtime_ns))


@dataclass(frozen=True, slots=True)
class Pair:
    """The folder `path` below an open folder of the live tree, and the same below the one that was built for it."""

    live: int
    draft: int
    path: str = ""

    def steps(self) -> dict[str, Step]:
        """Return for each name in one of the folders the step that exchanges or moves the entry."""
        with self._opened() as (live, draft):
            here, built = set(os.listdir(live)), set(os.listdir(draft))  # noqa: PTH208 - of open folders
        return {
            name: self._swapping(name) if name in here & built else self._moving(name, to_live=name in built)
            for name in sorted(here | built)
        }

    def _swapping(self, name: str) -> Step:
        def swap() -> None:
            with self._opened() as (live, draft), _movable(live, name), _movable(draft, name):
                rename_exchange(draft, name, live, name)

        return Step(lambda: self._or_divided(swap, name), swap)

    def _moving(self, name: str, *, to_live: bool) -> Step:
        def move(*, to_live: bool) -> None:
            with self._opened() as (live, draft):
                here, there = (draft, live) if to_live else (live, draft)
                with _movable(here, name):
                    os.rename(name, name, src_dir_fd=here, dst_dir_fd=there)

        move_there, move_back = partial(move, to_live=to_live), partial(move, to_live=not to_live)
        return Step(move_there if to_live else lambda: self._or_divided(move_there, name), move_back)

    def _or_divided(self, whole: Callable[[], None], name: str) -> Iterable[Step] | None:
        """Call `whole`, or return the steps for the entries of the live folder `name` where that cannot be moved."""
        try:
            whole()
        except OSError as error:
            if error.errno != errno.EXDEV or not self._is_folder(self.live, name):
                raise
            # overlayfs cannot rename the folders of its lower layers
            inner = Pair(self.live, self.draft, self._inner(name))
            return inner._filling() if self._is_folder(self.draft, name) else inner._emptying(name)
        return None

    def _filling(self) -> list[Step]:
        """Return the steps that give this live folder, which stays, what was built for it."""
        with self._opened() as (live, draft):
            before, after = Metadata.of(live), Metadata.of(draft)
        return [
            Step(self._unlock, partial(self._finish, before)),
            Step(lambda: self.steps().values()),
            Step(partial(self._finish, after)),
        ]

    def _emptying(self, name: str) -> list[Step]:
        """Return the steps that remove this live folder, called `name`, for which a file or nothing was built."""
        parent, aside = Pair(self.live, self.draft, self.path.rpartition("/")[0]), aside_of(Path(name)).name
        with _opened(self.live, self.path) as live, _opened(parent.draft, parent.path) as draft:
            before, is_built = Metadata.of(live), _has(draft, name)
        # makes room for the folder that takes the entries
        move_aside = parent._step(
            lambda _, draft: os.rename(name, aside, src_dir_fd=draft, dst_dir_fd=draft),
            lambda _, draft: os.rename(aside, name, src_dir_fd=draft, dst_dir_fd=draft),
        )
        place = parent._step(
            lambda live, draft: os.rename(aside, name, src_dir_fd=draft, dst_dir_fd=live),
            lambda live, draft: os.rename(name, aside, src_dir_fd=live, dst_dir_fd=draft),
        )
        return [
            *([move_aside] if is_built else []),
            parent._step(
                lambda _, draft: os.mkdir(name, 0o700, dir_fd=draft), lambda _, draft: os.rmdir(name, dir_fd=draft)
            ),
            Step(self._unlock, partial(self._finish, before)),
            Step(lambda: self.steps().values()),
            parent._step(
                lambda live, _: os.rmdir(name, dir_fd=live), lambda live, _: os.mkdir(name, 0o700, dir_fd=live)
            ),
            *([place] if is_built else []),
        ]

    def _step(self, do: Callable[[int, int], None], undo: Callable[[int, int], None]) -> Step:
        """Return a step of two calls with the descriptors of both folders."""

        def call(change: Callable[[int, int], None]) -> None:
            with self._opened() as (live, draft):
                change(live, draft)

        return Step(partial(call, do), partial(call, undo))

    def _unlock(self) -> None:
        """Let the owner of the folders change what is in them."""
        if os.geteuid():
            with self._opened() as folders:
                for folder in folders:
                    os.fchmod(folder, os.fstat(folder).st_mode | stat.S_IRWXU)

    def _finish(self, metadata: Metadata) -> None:
        with _opened(self.live, self.path) as live:
            metadata.give(live)
            fsync_folder(live)

    def _inner(self, name: str) -> str:
        return f"{self.path}/{name}" if self.path else name

    def _is_folder(self, root: int, name: str) -> bool:
        with _opened(root, self.path) as folder:
            return _has(folder, name) and stat.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)

    @contextmanager
    def _opened(self) -> Iterator[tuple[int, int]]:
        with _opened(self.live, self.path) as live, _opened(self.draft, self.path) as draft:
            yield live, draft


@contextmanager
def _opened(root: int, path: str) -> Iterator[int]:
    # not kept open: there may be more such folders than a process may open
    descriptor = open_below(root, path, FOLDER) if path else root
    try:
        yield descriptor
    finally:
        if path:
            os.close(descriptor)


def _has(folder: int, name: str) -> bool:
    try:
        os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


@contextmanager
def _movable(parent: int, name: str) -> Iterator[None]:
    """Make the folder `name` writable for its owner while it is moved."""
    # the kernel moves a folder to another parent only for a user who may write into it; root needs no permission
    try:
        folder = os.open(name, FOLDER, dir_fd=parent) if os.geteuid() else None
    except OSError:  # not a folder, or not accessible: then the move fails
        folder = None
    if folder is None:
        yield
        return
    mode = stat.S_IMODE(os.fstat(folder).st_mode)
    is_closed = not mode & stat.S_IWUSR
    try:
        if is_closed:
            os.fchmod(folder, mode | stat.S_IWUSR)
        yield
    finally:
        if is_closed:
            os.fchmod(folder, mode)
        os.close(folder)
