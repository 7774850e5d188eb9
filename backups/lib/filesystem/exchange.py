"""Exchanging two names, atomically where the file system can do that."""

import ctypes
import errno
import os
import shlex
import stat
import time
from pathlib import Path

from backups.errors import Stranded, Untouched
from backups.lib.filesystem.atomic import draft_of
from destinations.lib.disks import fsync_folder

RENAME_EXCHANGE = 2  # linux/fs.h
# in seconds, before each further try of a rename without which a name is missing: another program may have the file
# open, which a share refuses to rename
PAUSES = (0.1, 0.5, 2.0)


def exchange(first: Path, second: Path) -> bool:
    """Exchange two names of one folder at once where the file system can do that.

    Return False where it cannot move one of the two folders at all. Raises Untouched when both are as before, and
    Stranded when they are not.
    """
    parent = os.open(second.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            rename_exchange(parent, first.name, parent, second.name)
        except OSError as error:
            code = error.errno or errno.EIO
            if code == errno.EXDEV:
                return False
            raise Untouched(f"{second} cannot be replaced: {os.strerror(code)}.", hint=exchange_hint(code)) from error
        fsync_folder(parent)
        return True
    finally:
        os.close(parent)


def rename_exchange(first_folder: int, first: str, second_folder: int, second: str) -> None:
    """Exchange two names in two open folders of one file system, atomically where that can do it.

    Raises OSError when both are as before, and Stranded when they are not.
    Source: renameat2(2), RENAME_EXCHANGE.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "renameat2"):  # musl
        code = errno.ENOSYS
    elif libc.renameat2(first_folder, os.fsencode(first), second_folder, os.fsencode(second), RENAME_EXCHANGE):
        code = ctypes.get_errno()
    else:
        return
    if code not in (errno.EINVAL, errno.ENOSYS):
        raise OSError(code, os.strerror(code))
    _exchange_in_steps(first_folder, first, second_folder, second)


def aside_of(draft: Path) -> Path:
    """Return the path beside `draft` that holds the former file or folder while the two are exchanged in steps."""
    return draft_of(draft.with_name(f"{draft.name}.aside"))


def _exchange_in_steps(first_folder: int, first: str, second_folder: int, second: str) -> None:
    """Exchange two names where the file system cannot do it at once: network file systems, FUSE, musl.

    Raises OSError when both are as before, and Stranded when they are not.
    """
    aside = aside_of(Path(first)).name
    linked = _link_aside(first_folder, first, second_folder, second, aside)
    if not linked:
        os.rename(second, aside, src_dir_fd=second_folder, dst_dir_fd=first_folder)
    try:
        # a file that was linked is replaced, so that its name exists at every moment
        os.rename(first, second, src_dir_fd=first_folder, dst_dir_fd=second_folder)
    except BaseException:
        if linked:
            os.unlink(aside, dir_fd=first_folder)
        else:
            _return(first_folder, aside, second_folder, second)
        raise
    try:
        _rename_patiently(first_folder, aside, first_folder, first)
    except OSError as error:
        try:
            os.rename(second, first, src_dir_fd=second_folder, dst_dir_fd=first_folder)
        except OSError:
            raise Stranded(
                f"{_path(second_folder, second)} was replaced, and what it was before cannot be renamed from"
                f" {_path(first_folder, aside)}: {error.strerror}."
            ) from error
        _return(first_folder, aside, second_folder, second)
        raise


def _link_aside(first_folder: int, first: str, second_folder: int, second: str, aside: str) -> bool:
    """Return True when `second`, a file that the file `first` can replace, now has the name `aside` too."""
    modes = (
        os.stat(first, dir_fd=first_folder, follow_symlinks=False).st_mode,
        os.stat(second, dir_fd=second_folder, follow_symlinks=False).st_mode,
    )
    if any(map(stat.S_ISDIR, modes)):
        return False
    try:
        os.link(second, aside, src_dir_fd=second_folder, dst_dir_fd=first_folder, follow_symlinks=False)
    except OSError:
        # CIFS and FAT have no hard links, and not every user may link the file of another
        return False
    return True


def _return(first_folder: int, aside: str, second_folder: int, second: str) -> None:
    """Give what was moved `aside` its name again. Raises Stranded."""
    try:
        _rename_patiently(first_folder, aside, second_folder, second)
    except OSError as error:
        here, there = _path(first_folder, aside), _path(second_folder, second)
        command = f"mv -nT -- {shlex.quote(str(here))} {shlex.quote(str(there))}"
        raise Stranded(
            f"{there} was renamed to {here}, and cannot be renamed back: {error.strerror}.",
            hint=f"If the rollback does not bring it back, remove the cause, then run `{command}`.",
        ) from error


def _rename_patiently(first_folder: int, first: str, second_folder: int, second: str) -> None:
    for pause in PAUSES:
        try:
            os.rename(first, second, src_dir_fd=first_folder, dst_dir_fd=second_folder)
        except OSError:
            time.sleep(pause)
        else:
            return
    os.rename(first, second, src_dir_fd=first_folder, dst_dir_fd=second_folder)


def _path(folder: int, name: str) -> Path:
    """Return the path of `name` in the open `folder`; only the name where the system does not tell."""
    try:
        return Path(f"/proc/self/fd/{folder}").readlink() / name
    except OSError:
        return Path(name)


def exchange_hint(code: int) -> str:
    """Return the hint for the errno of a failed exchange."""
    if code == errno.EXDEV:
        return (
            "The file system cannot move its folders. Unpack the archive elsewhere and put the files in place by hand."
        )
    return "Check the permissions, and that it is not a mount point."
