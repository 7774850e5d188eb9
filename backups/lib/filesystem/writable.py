"""Whether this user may write to a file or folder, and what would stop a restore there."""

import os
import shlex
import stat
from collections.abc import Iterator
from pathlib import Path

from backups.errors import Untouched
from backups.lib.filesystem.flags import protection
from destinations.lib.mounts import mounts

ACCESS_HINT = "Give this user access to it, or restore as another user."


def may_write(path: Path) -> bool:
    """Return whether this user may write into the file `path`, or make and remove entries of the folder `path`."""
    wanted = os.W_OK | os.X_OK if path.is_dir() else os.W_OK
    return os.access(path, wanted, effective_ids=True) and not protection(path)


def nearest_folder(path: Path) -> Path:
    """Return the nearest folder above `path` that exists and can be reached."""
    return next(folder for folder in path.parents if os.path.isdir(folder))  # noqa: PTH112 - Path raises where it may not look


def may_rename(path: Path) -> bool:
    """Return whether this user may rename `path`, or replace it by another file of the same folder."""
    if not may_write(path.parent) or protection(path):
        return False
    info = path.parent.stat()
    # in a folder such as /tmp only for the owner
    return not info.st_mode & stat.S_ISVTX or os.geteuid() in (0, info.st_uid, path.lstat().st_uid)


def reason_against_writing(path: Path) -> str:
    """Return why this user may not write to `path`."""
    if flag := protection(path):
        return f"{path} is {flag}"
    if os.statvfs(path).f_flag & os.ST_RDONLY:
        return f"{path} is on a file system that is mounted read-only"
    return f"this user may not write to {path}"


def access_hint(path: Path, otherwise: str = ACCESS_HINT) -> str:
    """Return what to do about `reason_against_writing`."""
    flag = protection(path)
    return f"Remove that flag: chattr -{flag[0]} {shlex.quote(str(path))}" if flag else otherwise


def is_replaceable(target: Path) -> bool:
    """Return whether this user can give the name of `target`, which may be missing, to another file."""
    # what mountinfo cannot show is left to the rename
    return not target.exists() or (may_rename(target) and all(mount.point != target for mount in mounts()))


def file_obstacles(path: Path, *, database: bool = False) -> Iterator[Untouched]:
    """Yield why this user could not restore the file `path`, or write into the live `database` there."""
    live = path.resolve()
    if not live.exists():
        parent = nearest_folder(live)
        if not may_write(parent):
            yield Untouched(f"{live} cannot be created: {reason_against_writing(parent)}.", hint=access_hint(parent))
    elif live.is_dir():
        yield Untouched(f"{live} is a folder, the backup holds a file.", hint="Move it away, then restore again.")
    elif not may_write(live) and (database or not is_replaceable(live)):
        yield Untouched(f"{live} cannot be written: {reason_against_writing(live)}.", hint=access_hint(live))
    elif database and not may_write(live.parent):
        # SQLite makes its journal there
        yield Untouched(
            f"{live} cannot be written: {reason_against_writing(live.parent)}.", hint=access_hint(live.parent)
        )
