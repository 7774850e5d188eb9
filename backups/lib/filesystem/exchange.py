"""Exchanging two names, atomically where the file system can do that."""

import ctypes
import errno
import os
from pathlib import Path

from backups.errors import ComponentError, Untouched
from backups.lib.filesystem.atomic import draft_of
from destinations.lib.disks import fsync_folder

RENAME_EXCHANGE = 2  # linux/fs.h


def exchange(first: Path, second: Path) -> None:
    """Exchange two names of one folder at once where the file system can do that.

    Raises Untouched when both are as before, and ComponentError when they are not.
    """
    parent = os.open(second.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            rename_exchange(parent, first.name, parent, second.name)
        except OSError as error:
            code = error.errno or errno.EIO
            raise Untouched(f"{second} cannot be replaced: {os.strerror(code)}.", hint=exchange_hint(code)) from error
        fsync_folder(parent)
    finally:
        os.close(parent)


def rename_exchange(first_folder: int, first: str, second_folder: int, second: str) -> None:
    """Exchange two names in two open folders of one file system, atomically where that can do it.

    Raises OSError when both are as before, and ComponentError when they are not.
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

    Raises OSError when both are as before, and ComponentError when they are not.
    """
    aside = aside_of(Path(first)).name
    os.rename(second, aside, src_dir_fd=second_folder, dst_dir_fd=first_folder)
    try:
        os.rename(first, second, src_dir_fd=first_folder, dst_dir_fd=second_folder)
    except BaseException as error:
        try:
            os.rename(aside, second, src_dir_fd=first_folder, dst_dir_fd=second_folder)
        except OSError as failure:
            raise ComponentError(
                f"{_path(second_folder, second)} was renamed to {_path(first_folder, aside)},"
                f" and cannot be renamed back: {failure.strerror}."
            ) from error
        raise
    try:
        os.rename(aside, first, src_dir_fd=first_folder, dst_dir_fd=first_folder)
    except OSError as error:
        raise ComponentError(
            f"{_path(second_folder, second)} was replaced, and what it was before cannot be renamed from"
            f" {_path(first_folder, aside)}: {error.strerror}."
        ) from error


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
