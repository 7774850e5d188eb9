"""Replacing files and folders so that a crash leaves the old one or the new one, whole.

Whoever may write into the folder can swap names in it at any moment, so owner and mode of what is made there are set
through its descriptor.
"""

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
from backups.lib.ownership import Ownership, note_on, ownership_for

RENAME_EXCHANGE = 2  # linux/fs.h
BLOCK = 1 << 20
FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def draft_of(target: Path) -> Path:
    """Return where the replacement of `target` is written before it takes its name."""
    return target.with_name(f".{target.name}.restoring")


def discard(path: Path) -> None:
    """Remove a file or a whole folder, if it is there; of a link only the link.

    A folder with a mount point in it stays, and is an OSError: what is mounted there would be emptied.
    """
    if path.is_dir() and not path.is_symlink():
        for mount in mounts_below(path.resolve()):
            raise OSError(errno.EBUSY, "a file system is mounted in it", str(mount))
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def discard_draft(target: Path) -> None:
    """Remove the draft that an earlier attempt left. One that cannot be removed stops the next attempt, not this."""
    with suppress(OSError):
        discard(draft_of(target))


@contextmanager
def refusing(target: Path, error_type: type[ComponentError]) -> Iterator[None]:
    """Turn an OSError into `error_type` about `target`."""
    try:
        yield
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise error_type(f"{target} cannot be written: {reason}.", hint="Check space and permissions there.") from error


@contextmanager
def untouched() -> Iterator[None]:
    """What is to be changed is not changed in here: an error that stops it leaves it what it was."""
    try:
        yield
    except BackupError as error:
        error.untouched = True
        raise


@contextmanager
def touched() -> Iterator[None]:
    """What fails in here is part of something that has been changed in another part already."""
    try:
        yield
    except BackupError as error:
        error.untouched = False
        raise


def sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def create_private(path: Path) -> BinaryIO:
    """Open the new file `path` for its owner alone, whatever the umask and the ACL of the folder say."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    return os.fdopen(os.open(path, flags, 0o600), "wb")


def make_parents(path: Path, permissions: Permissions | None) -> list[str]:
    """Make the folders that are missing above `path`, each as it was by `permissions`, those of `path` itself.

    One of which nothing is known is 0700, with the owner of the one that holds it. Return notes for the operator.
    """
    recorded = permissions.folders if permissions else ()
    missing = list(takewhile(lambda folder: not folder.is_dir(), path.parents))
    notes: list[str] = []
    for folder, known in reversed(list(zip_longest(missing, recorded[: len(missing)]))):
        wanted = ownership_for(known, folder.parent.stat(), folder=True)
        folder.mkdir(mode=0o700)
        descriptor = os.open(folder, FOLDER)
        try:
            notes += note_on(folder, known, wanted.give_new(descriptor))
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
    """Make `target` hold the bytes of `source`: written beside it, synced, renamed; return notes for the operator.

    Owner and mode stay. A new file gets what `permissions` say, else 0600 and the owner of `neighbour`, by default the
    folder. `obsolete` files go right before the rename. `checkpoint` gets the bytes of each step and may raise; then,
    and with Untouched, `target` is what it was. Raises ComponentError where it may have been replaced already.
    """
    draft = draft_of(target)
    try:
        with untouched(), refusing(target, Untouched):
            notes = make_parents(target, permissions)
            discard(draft)
            with create_private(draft) as writing:
                _write(source, writing, checkpoint)
                notes += _settle(writing.fileno(), target, permissions, neighbour or target.parent)
                os.fsync(writing.fileno())
        with refusing(target, ComponentError):
            for path in obsolete:
                path.unlink(missing_ok=True)
            draft.replace(target)
            sync_directory(target.parent)
    finally:
        discard_draft(target)
    return notes


def _write(source: Path, writing: BinaryIO, checkpoint: Callable[[int], None]) -> None:
    with source.open("rb") as reading:
        while block := reading.read(BLOCK):
            writing.write(block)
            checkpoint(len(block))
    writing.flush()


def _settle(descriptor: int, target: Path, permissions: Permissions | None, holder: Path) -> list[str]:
    """Give the draft, whole by now, the owner and mode of what it replaces, or those of a new file."""
    if target.exists():
        Ownership.of(target.stat()).give(descriptor)
        return []
    given = ownership_for(permissions, holder.stat()).give_new(descriptor)
    return note_on(target, permissions, given)


def exchange(first: Path, second: Path) -> None:
    """Swap two names of one folder in one step: at no moment is either name without its tree.

    Raises Untouched where that cannot be done.
    """
    parent = os.open(second.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            swap(parent, first.name, parent, second.name)
        except OSError as error:
            code = error.errno or errno.EIO
            raise Untouched(f"{second} cannot be replaced: {os.strerror(code)}.", hint=advice(code)) from error
        os.fsync(parent)
    finally:
        os.close(parent)


def swap(first_folder: int, first: str, second_folder: int, second: str) -> None:
    """Swap what two names in two open folders of one file system stand for, in one step. Raises OSError.

    Source: renameat2(2), RENAME_EXCHANGE.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "renameat2"):  # musl
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    if libc.renameat2(first_folder, os.fsencode(first), second_folder, os.fsencode(second), RENAME_EXCHANGE):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def advice(code: int) -> str:
    if code in (errno.EINVAL, errno.ENOSYS, errno.EXDEV):
        return "The file system cannot swap folders in one step: restore with --to and put the files in place by hand."
    return "Check the permissions, and that it is no mount point."
