"""Changing a tree around the site's own places in it, which are not moved, opened or changed.

The folder of the tree and those on the way to a place stay. Everything else in them is swapped with what was built
beside the tree, name by name, each in one step.
"""

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from backups.errors import ComponentError, Untouched
from backups.lib.atomic import FOLDER, advice, refusing, swap
from backups.lib.site_paths import PlacesBelow


@dataclass(frozen=True, slots=True)
class _Step:
    """One change, and the one that takes it back."""

    do: Callable[[], None]
    undo: Callable[[], None]


@dataclass(frozen=True, slots=True)
class _Pair:
    """A folder that stays, opened, and what was built in its place; `model` is None where there was nothing."""

    live: int
    draft: int
    model: os.stat_result | None


def publish_around(draft: Path, live: Path, own: PlacesBelow) -> os.stat_result:
    """Give the folder `live` the content of `draft`, and `draft` what was in `live`, but for the `own` places.

    Return the stat of `live`. Raises Untouched when everything is as it was, and ComponentError when it is not.
    """
    with ExitStack() as opened:
        with refusing(live, Untouched):
            pairs = _pairs(draft, live, own, opened)
            steps = [step for folder, pair in pairs.items() for step in _changes(folder, pair, pairs, own)]
            steps += [step for pair in pairs.values() for step in _metadata(pair)]
        _carry_out(steps, live)
        for pair in pairs.values():
            os.fsync(pair.live)
        return os.fstat(pairs[""].live)


def _pairs(draft: Path, live: Path, own: PlacesBelow, opened: ExitStack) -> dict[str, _Pair]:
    """Open what stays, "" for the tree itself, through no link: whoever may write there could put one in its place."""
    pairs = {"": _Pair(_opened(live, None, opened), *_built(draft, None, opened))}
    for folder in own.ways:
        parent, _, name = folder.rpartition("/")
        if parent not in pairs:
            continue
        try:
            live_folder = _opened(name, pairs[parent].live, opened)
        except (FileNotFoundError, NotADirectoryError):  # then it comes as a whole, as anything else does
            continue
        pairs[folder] = _Pair(live_folder, *_built(name, pairs[parent].draft, opened))
    return pairs


def _opened(name: str | Path, parent: int | None, opened: ExitStack) -> int:
    descriptor = os.open(name, FOLDER, dir_fd=parent)
    opened.callback(os.close, descriptor)
    return descriptor


def _built(name: str | Path, parent: int | None, opened: ExitStack) -> tuple[int, os.stat_result | None]:
    """Open a folder of the draft, made where the backup has none, so that it takes what has to go."""
    model = None
    try:
        descriptor = _opened(name, parent, opened)
        model = os.fstat(descriptor)
    except FileNotFoundError:
        os.mkdir(name, dir_fd=parent)
        descriptor = _opened(name, parent, opened)
    # its mode may forbid to its owner what is done next
    os.fchmod(descriptor, 0o700)
    return descriptor, model


def _changes(folder: str, pair: _Pair, pairs: dict[str, _Pair], own: PlacesBelow) -> Iterator[_Step]:
    there, built = set(os.listdir(pair.live)), set(os.listdir(pair.draft))  # noqa: PTH208 - of open folders
    for name in sorted(there | built):
        path = f"{folder}/{name}" if folder else name
        if path in pairs or own.holds(path):
            continue
        if name in there and name in built:
            yield _swapping(pair, name)
        elif name in built:
            yield _moving(pair.draft, pair.live, name)
        else:
            yield _moving(pair.live, pair.draft, name)


def _swapping(pair: _Pair, name: str) -> _Step:
    def do() -> None:
        with _movable(pair.live, name), _movable(pair.draft, name):
            swap(pair.draft, name, pair.live, name)

    return _Step(do, do)


def _moving(source: int, target: int, name: str) -> _Step:
    def move(here: int, there: int) -> None:
        with _movable(here, name):
            os.rename(name, name, src_dir_fd=here, dst_dir_fd=there)

    return _Step(lambda: move(source, target), lambda: move(target, source))


@contextmanager
def _movable(parent: int, name: str) -> Iterator[None]:
    """A folder gets another parent only where its owner may write into it: let them meanwhile. Root needs no leave."""
    try:
        folder = os.open(name, FOLDER, dir_fd=parent) if os.geteuid() else None
    except OSError:  # no folder, or out of reach: then the move says so
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


def _metadata(pair: _Pair) -> Iterator[_Step]:
    """Owner, mode and times of a folder that stays become those of the backup."""
    if pair.model is not None:
        before, after = os.fstat(pair.live), pair.model
        yield _Step(lambda: _dress(pair.live, after), lambda: _dress(pair.live, before))


def _dress(folder: int, model: os.stat_result) -> None:
    info = os.fstat(folder)
    if os.geteuid() == 0 and (info.st_uid, info.st_gid) != (model.st_uid, model.st_gid):
        os.fchown(folder, model.st_uid, model.st_gid)
    if stat.S_IMODE(info.st_mode) != stat.S_IMODE(model.st_mode):
        os.fchmod(folder, stat.S_IMODE(model.st_mode))
    if os.geteuid() in (0, info.st_uid):
        os.utime(folder, ns=(model.st_atime_ns, model.st_mtime_ns))


def _carry_out(steps: list[_Step], live: Path) -> None:
    """Do all or nothing: what was done is taken back when one step fails."""
    done: list[_Step] = []
    try:
        for step in steps:
            step.do()
            done.append(step)
    except OSError as error:
        message = f"{live} cannot be replaced around the places of this site in it: {error.strerror}."
        _take_back(done, message, error)
        raise Untouched(message, hint=advice(error.errno or 0)) from error


def _take_back(done: list[_Step], message: str, error: OSError) -> None:
    try:
        for step in reversed(done):
            step.undo()
    except OSError as failure:
        raise ComponentError(f"{message} What was done cannot be taken back: {failure.strerror}.") from error
