"""Replacing a tree in place: its root stays, and so do mount points, the site's own paths, and the folders above those.

Every other entry of these folders is swapped with the entry that was built for it, name by name, each swap atomic. The
site's own paths are not moved, opened or changed.
"""

import os
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from backups.components.files.replacing.layout import Region
from backups.components.files.replacing.mounted_file import MountedFile
from backups.errors import ComponentError, Untouched
from backups.lib.filesystem.atomic import FOLDER, translate_os_errors
from backups.lib.filesystem.attributes import Attributes, attributes_of, set_attributes
from backups.lib.filesystem.exchange import exchange_hint, rename_exchange
from backups.lib.filesystem.folders import open_below
from backups.lib.filesystem.walk import DRAFT_INSIDE
from destinations.lib.disks import fsync_folder


@dataclass(frozen=True, slots=True)
class _Step:
    """One change, and the one that reverts it."""

    do: Callable[[], None]
    undo: Callable[[], None]


@dataclass(frozen=True, slots=True)
class _Model:
    """Stat and attributes of a folder."""

    info: os.stat_result
    attributes: Attributes

    @classmethod
    def of(cls, folder: int) -> "_Model":
        return cls(os.fstat(folder), attributes_of(folder))


@dataclass(frozen=True, slots=True)
class _Folder:
    """Descriptors of a folder that stays and of the folder built for it; `model` is None when the backup has none."""

    live: int
    draft: int
    model: _Model | None


def replace_in_place(regions: Sequence[Region], files: Sequence[MountedFile], live: Path) -> os.stat_result:
    """Swap what lies in the folders of each region, and write the mounted `files`; return the stat of `live`.

    Raises Untouched when everything is as before, and ComponentError when it is not.
    """
    with ExitStack() as opened:
        steps, staying = list[_Step](), list[_Folder]()
        with translate_os_errors(live, Untouched):
            for region in regions:
                folders = _open_folders(region, live, opened)
                staying += folders.values()
                steps += [step for path, folder in folders.items() for step in _changes(path, folder, folders, region)]
            for folder in staying:
                if folder.model is not None:
                    do, undo = (
                        partial(_set_metadata, folder.live, of) for of in (folder.model, _Model.of(folder.live))
                    )
                    steps.append(_Step(do, undo))
            steps += [_Step(file.replace, file.revert) for file in files]
        _carry_out(steps, live)
        for folder in staying:
            fsync_folder(folder.live)
        return os.fstat(staying[0].live)


def _open_folders(region: Region, live: Path, opened: ExitStack) -> dict[str, _Folder]:
    """Open the root of the region, called "", and the folders that lead to what stays in it."""
    root = open_below(live, region.scope.root, FOLDER)
    opened.callback(os.close, root)
    inside = region.draft.name == DRAFT_INSIDE
    built = _built(DRAFT_INSIDE, root, opened) if inside else _built(region.draft, None, opened)
    folders = {"": _Folder(root, *built)}
    for path in region.scope.ways:
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


def _built(name: str | Path, parent: int | None, opened: ExitStack) -> tuple[int, _Model | None]:
    """Open a folder of the draft and return its descriptor and model; a missing one is made, without a model."""
    model = None
    try:
        descriptor = _opened(name, parent, opened)
        model = _Model.of(descriptor)
    except FileNotFoundError:
        # the backup has no such folder; the entries that the swap removes are moved into this one
        os.mkdir(name, dir_fd=parent)
        descriptor = _opened(name, parent, opened)
    # its own mode may not let the owner change it
    os.fchmod(descriptor, 0o700)
    return descriptor, model


def _changes(path: str, folder: _Folder, folders: dict[str, _Folder], region: Region) -> Iterator[_Step]:
    live, built = set(os.listdir(folder.live)), set(os.listdir(folder.draft))  # noqa: PTH208 - of open folders
    for name in sorted(live | built):
        inner = f"{path}/{name}" if path else name
        if inner in folders or region.scope.holds(inner) or (not path and name == DRAFT_INSIDE):
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


def _set_metadata(folder: int, model: _Model) -> None:
    """Give the open `folder` the owner, attributes, mode and times of `model`, where this user may."""
    info, wanted = os.fstat(folder), model.info
    if os.geteuid() not in (0, info.st_uid):
        return
    if os.geteuid() == 0 and (info.st_uid, info.st_gid) != (wanted.st_uid, wanted.st_gid):
        os.fchown(folder, wanted.st_uid, wanted.st_gid)
    set_attributes(folder, model.attributes)
    if stat.S_IMODE(info.st_mode) != stat.S_IMODE(wanted.st_mode):
        os.fchmod(folder, stat.S_IMODE(wanted.st_mode))
    os.utime(folder, ns=(wanted.st_atime_ns, wanted.st_mtime_ns))


def _carry_out(steps: list[_Step], live: Path) -> None:
    """Run all steps, or revert those that are done when one fails."""
    done: list[_Step] = []
    try:
        for step in steps:
            step.do()
            done.append(step)
    except OSError as error:
        message = f"{live} cannot be replaced in place: {error.strerror}."
        try:
            for step in reversed(done):
                step.undo()
        except OSError as failure:
            raise ComponentError(f"{message} The changes cannot be reverted: {failure.strerror}.") from error
        raise Untouched(message, hint=exchange_hint(error.errno or 0)) from error
