"""Replacing a tree around the site's own paths in it, which are not moved, opened or changed.

The root of the tree and the folders above those paths stay. Every other entry of them is swapped with the entry that
was built beside the tree, name by name, each swap atomic.
"""

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from backups.errors import ComponentError, Untouched
from backups.lib.atomic import FOLDER, exchange_hint, rename_exchange, translate_os_errors
from backups.lib.site_paths import SitePathsBelow


@dataclass(frozen=True, slots=True)
class _Step:
    """One change, and the one that reverts it."""

    do: Callable[[], None]
    undo: Callable[[], None]


@dataclass(frozen=True, slots=True)
class _Folder:
    """Descriptors of a folder that stays and of the folder built for it; `model` is None when the backup has none."""

    live: int
    draft: int
    model: os.stat_result | None


def swap_around(draft: Path, live: Path, own: SitePathsBelow) -> os.stat_result:
    """Swap the contents of the folders `live` and `draft`, but not the site's `own` paths; return the stat of `live`.

    Raises Untouched when everything is as before, and ComponentError when it is not.
    """
    with ExitStack() as opened:
        with translate_os_errors(live, Untouched):
            folders = _open_folders(draft, live, own, opened)
            steps = [step for path, folder in folders.items() for step in _changes(path, folder, folders, own)]
            for folder in folders.values():
                if folder.model is not None:
                    before = os.fstat(folder.live)
                    steps.append(
                        _Step(
                            partial(_set_metadata, folder.live, folder.model),
                            partial(_set_metadata, folder.live, before),
                        )
                    )
        _carry_out(steps, live)
        for folder in folders.values():
            os.fsync(folder.live)
        return os.fstat(folders[""].live)


def _open_folders(draft: Path, live: Path, own: SitePathsBelow, opened: ExitStack) -> dict[str, _Folder]:
    """Open the root of the tree, called "", and the folders above the site's `own` paths."""
    folders = {"": _Folder(_opened(live, None, opened), *_built(draft, None, opened))}
    for path in own.ways:
        parent, _, name = path.rpartition("/")
        if parent not in folders:
            continue
        # without following a link: a user who may write there could replace the folder by one
        try:
            live_folder = _opened(name, folders[parent].live, opened)
        except (FileNotFoundError, NotADirectoryError):  # it is swapped as a whole, as any other entry
            continue
        folders[path] = _Folder(live_folder, *_built(name, folders[parent].draft, opened))
    return folders


def _opened(name: str | Path, parent: int | None, opened: ExitStack) -> int:
    descriptor = os.open(name, FOLDER, dir_fd=parent)
    opened.callback(os.close, descriptor)
    return descriptor


def _built(name: str | Path, parent: int | None, opened: ExitStack) -> tuple[int, os.stat_result | None]:
    """Open a folder of the draft and return its descriptor and stat; a missing one is made, with None for the stat."""
    model = None
    try:
        descriptor = _opened(name, parent, opened)
        model = os.fstat(descriptor)
    except FileNotFoundError:
        # the backup has no such folder; the entries that the swap removes are moved into this one
        os.mkdir(name, dir_fd=parent)
        descriptor = _opened(name, parent, opened)
    # its own mode may not let the owner change it
    os.fchmod(descriptor, 0o700)
    return descriptor, model


def _changes(path: str, folder: _Folder, folders: dict[str, _Folder], own: SitePathsBelow) -> Iterator[_Step]:
    live, built = set(os.listdir(folder.live)), set(os.listdir(folder.draft))  # noqa: PTH208 - of open folders
    for name in sorted(live | built):
        inner = f"{path}/{name}" if path else name
        if inner in folders or own.holds(inner):
            continue
        if name in live and name in built:
            yield _swapping(folder, name)
        elif name in built:
            yield _moving(folder.draft, folder.live, name)
        else:
            yield _moving(folder.live, folder.draft, name)


def _swapping(folder: _Folder, name: str) -> _Step:
    def do() -> None:
        with _movable(folder.live, name), _movable(folder.draft, name):
            rename_exchange(folder.draft, name, folder.live, name)

    return _Step(do, do)


def _moving(source: int, target: int, name: str) -> _Step:
    def move(here: int, there: int) -> None:
        with _movable(here, name):
            os.rename(name, name, src_dir_fd=here, dst_dir_fd=there)

    return _Step(lambda: move(source, target), lambda: move(target, source))


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


def _set_metadata(folder: int, model: os.stat_result) -> None:
    """Give the open `folder` the owner, mode and times of `model`."""
    info = os.fstat(folder)
    if os.geteuid() == 0 and (info.st_uid, info.st_gid) != (model.st_uid, model.st_gid):
        os.fchown(folder, model.st_uid, model.st_gid)
    if stat.S_IMODE(info.st_mode) != stat.S_IMODE(model.st_mode):
        os.fchmod(folder, stat.S_IMODE(model.st_mode))
    if os.geteuid() in (0, info.st_uid):
        os.utime(folder, ns=(model.st_atime_ns, model.st_mtime_ns))


def _carry_out(steps: list[_Step], live: Path) -> None:
    """Run all steps, or revert those that are done when one fails."""
    done: list[_Step] = []
    try:
        for step in steps:
            step.do()
            done.append(step)
    except OSError as error:
        message = f"{live} cannot be replaced around the places of this site in it: {error.strerror}."
        try:
            for step in reversed(done):
                step.undo()
        except OSError as failure:
            raise ComponentError(f"{message} The changes cannot be reverted: {failure.strerror}.") from error
        raise Untouched(message, hint=exchange_hint(error.errno or 0)) from error
