"""Atomic replacement of files and folders: a crash leaves the old one or the new one, complete."""

import ctypes
import errno
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import takewhile, zip_longest
from pathlib import Path
from typing import BinaryIO

from backups.archive.manifest.permissions import Permissions
from backups.errors import BackupError, ComponentError, Untouched
from backups.lib.mounts import mounts_below
from backups.lib.ownership import Ownership, ownership_for, ownership_note
from destinations.lib.disks import fsync_folder, write_hint

RENAME_EXCHANGE = 2  # linux/fs.h
BLOCK = 1 << 20
FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def draft_of(target: Path) -> Path:
    """Return the temporary path beside `target` where its replacement is written before the rename."""
    return target.with_name(f".{target.name}.restoring")


def discard(path: Path) -> None:
    """Remove a file, a symbolic link or a whole folder, if it exists.

    Raises OSError for a folder that holds a mount point, and removes nothing of it.
    """
    if path.is_dir() and not path.is_symlink():
        for mount in mounts_below(path.resolve()):
            # rmtree would empty the mounted file system
            raise OSError(errno.EBUSY, "a file system is mounted in it", str(mount))
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def discard_draft(target: Path) -> None:
    """Remove the temporary file or folder of an earlier attempt; errors are ignored."""
    # the next attempt fails if it is still there
    with suppress(OSError):
        discard(draft_of(target))


@contextmanager
def translate_os_errors(target: Path, error_type: type[ComponentError]) -> Iterator[None]:
    """Raise an OSError of the block as `error_type` that names `target`."""
    try:
        yield
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise error_type(f"{target} cannot be written: {reason}.", hint=write_hint(error, target)) from error


@contextmanager
def untouched() -> Iterator[None]:
    """Mark a BackupError of the block `untouched`: the block runs before the first change of the target."""
    try:
        yield
    except BackupError as error:
        error.untouched = True
        raise


@contextmanager
def touched() -> Iterator[None]:
    """Clear `untouched` of a BackupError of the block: another part of the target was changed before it."""
    try:
        yield
    except BackupError as error:
        error.untouched = False
        raise


def sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fsync_folder(descriptor)
    finally:
        os.close(descriptor)


def create_private(path: Path) -> BinaryIO:
    """Create the file `path` with mode 0600, whatever the umask and the default ACL of the folder are."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    return os.fdopen(os.open(path, flags, 0o600), "wb")


def make_parents(path: Path, permissions: Permissions | None) -> list[str]:
    """Create the missing parents of `path` with the modes and owners recorded in `permissions` of `path`.

    A folder without a record gets 0700 and the owner of its parent. Returns notes for the operator.
    """
    recorded = permissions.folders if permissions else ()
    missing = list(takewhile(lambda folder: not folder.is_dir(), path.parents))
    notes: list[str] = []
    for folder, known in reversed(list(zip_longest(missing, recorded[: len(missing)]))):
        wanted = ownership_for(known, folder.parent.stat(), folder=True)
        folder.mkdir(mode=0o700)
        # through the descriptor: who may write into the parent can swap names in it at any moment
        descriptor = os.open(folder, FOLDER)
        try:
            notes += ownership_note(folder, known, wanted.set_on_new(descriptor))
        finally:
            os.close(descriptor)
    return notes


def replace_file(
    source: Path,
    target: Path,
    *,
    checkpoint: Callable[[int], None] = lambda _: None,
    permissions: Permissions | None = None,
    neighbour: Path | None = None,
    obsolete: Sequence[Path] = (),
) -> list[str]:
    """Replace the content of `target` by that of `source` with a temporary file, fsync and rename.

    An existing `target` keeps its owner and mode. A new one gets those of `permissions`, without them 0600 and the
    owner of `neighbour` (default: the folder). `obsolete` files are removed right before the rename. `checkpoint` gets
    the bytes of each step and may raise. Returns notes for the operator.

    Raises Untouched when `target` was not changed, ComponentError when it may have been replaced already.
    """
    draft = draft_of(target)
    try:
        with untouched(), translate_os_errors(target, Untouched):
            notes = make_parents(target, permissions)
            discard(draft)
            with source.open("rb") as reading, create_private(draft) as writing:
                while block := reading.read(BLOCK):
                    writing.write(block)
                    checkpoint(len(block))
                writing.flush()
                # only now, when it is complete: until here the file is its creator's alone
                if target.exists():
                    Ownership.of(target.stat()).set_on(writing.fileno())
                else:
                    holder = (neighbour or target.parent).stat()
                    given = ownership_for(permissions, holder).set_on_new(writing.fileno())
                    notes += ownership_note(target, permissions, given)
                os.fsync(writing.fileno())
        with translate_os_errors(target, ComponentError):
            for path in obsolete:
                path.unlink(missing_ok=True)
            draft.replace(target)
            sync_directory(target.parent)
    finally:
        discard_draft(target)
    return notes


def exchange(first: Path, second: Path) -> None:
    """Exchange two names of one folder atomically; raises Untouched when the file system cannot do that."""
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
    """Exchange two names in two open folders of one file system atomically; raises OSError.

    Source: renameat2(2), RENAME_EXCHANGE.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "renameat2"):  # musl
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    if libc.renameat2(first_folder, os.fsencode(first), second_folder, os.fsencode(second), RENAME_EXCHANGE):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def exchange_hint(code: int) -> str:
    """Return the hint for the errno of a failed `swap`."""
    if code in (errno.EINVAL, errno.ENOSYS, errno.EXDEV):
        return (
            "The file system cannot exchange folders atomically. Restore with --to and put the files in place by hand."
        )
    return "Check the permissions, and that it is not a mount point."
