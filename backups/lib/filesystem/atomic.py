"""Atomic replacement of files and folders: a crash leaves the old one or the new one, complete."""

import errno
import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import takewhile, zip_longest
from pathlib import Path
from typing import BinaryIO

from backups.archive.manifest.permissions import Permissions
from backups.errors import BackupError, ComponentError, Untouched
from backups.lib.filesystem.attributes import attributes_of, set_attributes
from backups.lib.filesystem.folders import remove_tree
from backups.lib.filesystem.ownership import Ownership, ownership_for, ownership_note
from backups.lib.filesystem.writable import is_replaceable
from destinations.lib.disks import fsync_folder, write_hint
from destinations.lib.formats import printable
from destinations.lib.mounts import mounts_below
from destinations.lib.streams import write_all

BLOCK = 1 << 20
FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# in bytes, of eCryptfs, which has the lowest limit; that of most file systems is 255
LONGEST_NAME = 143


def draft_of(target: Path) -> Path:
    """Return the temporary path beside `target` where its replacement is written before the rename."""
    name = f".{target.name}.restoring"
    if len(os.fsencode(name)) > LONGEST_NAME:
        name = f".{hashlib.sha256(os.fsencode(target.name)).hexdigest()}.restoring"
    return target.with_name(name)


def discard(path: Path, checkpoint: Callable[[int], None] = lambda _: None) -> None:
    """Remove a file, a symbolic link or a whole folder, if it exists; `checkpoint` is that of `remove_tree`.

    Raises OSError for a folder that holds a mount point, and removes nothing of it.
    """
    if path.is_dir() and not path.is_symlink():
        for mount in mounts_below(path.resolve()):
            # the mounted file system would be emptied
            raise OSError(errno.EBUSY, "a file system is mounted in it", str(mount))
        remove_tree(path, checkpoint)
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

    An existing `target` keeps its owner, mode and attributes. A new one gets those of `permissions`, without them 0600
    and the owner of `neighbour` (default: the folder). `obsolete` files are removed right before the rename.
    `checkpoint` gets the bytes of each step and may raise. Returns notes for the operator.

    Where no other file can take its name, such as a mounted file, it is written into. Raises Untouched when `target`
    was not changed, ComponentError when it may have been replaced already.
    """
    if not is_replaceable(target):
        return _write_into(source, target, checkpoint, obsolete)
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
                    refused = set_attributes(writing.fileno(), attributes_of(str(target)))
                    notes += [
                        printable(f"{name} of {target} could not be kept: {reason}") for name, reason in refused.items()
                    ]
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


def _write_into(source: Path, target: Path, checkpoint: Callable[[int], None], obsolete: Sequence[Path]) -> list[str]:
    """Replace the content of the file `target`, not the file. Raises as `replace_file`."""
    with source.open("rb") as reading:
        size = os.fstat(reading.fileno()).st_size
        with untouched(), translate_os_errors(target, Untouched):
            descriptor = os.open(target, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                before = os.fstat(descriptor).st_size
                if size > before:
                    # a disk that is full is found before anything is overwritten
                    try:
                        os.posix_fallocate(descriptor, before, size - before)
                    except OSError:
                        os.ftruncate(descriptor, before)
                        raise
            except BaseException:
                os.close(descriptor)
                raise
        with (
            os.fdopen(descriptor, "wb", buffering=0) as writing,
            touched(),
            translate_os_errors(target, ComponentError),
        ):
            for path in obsolete:
                path.unlink(missing_ok=True)
            while block := reading.read(BLOCK):
                write_all(writing, block)
                checkpoint(len(block))
            writing.truncate(size)
            os.fsync(writing.fileno())
    return [printable(f"{target} was written in place: it cannot be replaced by another file")]
