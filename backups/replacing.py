"""Replacing files and folders so that a crash leaves the old one or the new one, whole.

Whoever may write into the folder can swap names in it at any moment, so owner and mode of what is made there are set
through its descriptor.
"""

import ctypes
import errno
import os
import shutil
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from backups.errors import BackupError, ComponentError, Untouched

RENAME_EXCHANGE = 2  # linux/fs.h
BLOCK = 1 << 20
FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def draft_of(target: Path) -> Path:
    """Return where the replacement of `target` is written before it takes its name."""
    return target.with_name(f".{target.name}.restoring")


def discard(path: Path) -> None:
    """Remove a file or a whole folder, if it is there; of a link only the link."""
    if path.is_dir() and not path.is_symlink():
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
        raise error_type(f"{target} cannot be written: {reason}", hint="check space and permissions there") from error


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


def make_parents(directory: Path) -> None:
    """Make `directory` and what is missing above it, each with owner and mode of the one that holds it."""
    if directory.is_dir():
        return
    make_parents(directory.parent)
    directory.mkdir(mode=0o700)
    descriptor = os.open(directory, FOLDER)
    try:
        adopt(descriptor, directory.parent.stat())
    finally:
        os.close(descriptor)


def adopt(descriptor: int, model: os.stat_result) -> None:
    """Give the open file or folder owner and mode of `model`; a file takes no search or setuid bits from a folder."""
    info = os.fstat(descriptor)
    mode = stat.S_IMODE(model.st_mode)
    if stat.S_ISDIR(model.st_mode) and not stat.S_ISDIR(info.st_mode):
        mode &= 0o666
    if (info.st_uid, info.st_gid) != (model.st_uid, model.st_gid):
        os.fchown(descriptor, model.st_uid, model.st_gid)
    # after the owner: a change of owner takes setuid bits away
    os.fchmod(descriptor, mode)


def replace_file(
    source: Path,
    target: Path,
    *,
    checkpoint: Callable[[int], None] = lambda _: None,
    model: Path | None = None,
    obsolete: Sequence[Path] = (),
) -> None:
    """Make `target` hold the bytes of `source`: written beside it, synced, renamed; owner and mode stay.

    A new file takes owner and mode of `model`, by default the folder. `obsolete` files go right before the rename.
    `checkpoint` gets the bytes of each step and may raise; then, and with Untouched, `target` is what it was. Raises
    ComponentError where it may have been replaced already.
    """
    draft = draft_of(target)
    try:
        with untouched(), refusing(target, Untouched):
            make_parents(target.parent)
            discard(draft)
            _write(source, draft, target if target.exists() else model or target.parent, checkpoint)
        with refusing(target, ComponentError):
            for path in obsolete:
                path.unlink(missing_ok=True)
            draft.replace(target)
            sync_directory(target.parent)
    finally:
        discard_draft(target)


def _write(source: Path, draft: Path, model: Path, checkpoint: Callable[[int], None]) -> None:
    with source.open("rb") as reading, draft.open("xb") as writing:
        while block := reading.read(BLOCK):
            writing.write(block)
            checkpoint(len(block))
        writing.flush()
        adopt(writing.fileno(), model.stat())
        os.fsync(writing.fileno())


def exchange(first: Path, second: Path) -> None:
    """Swap two names of one folder in one step: at no moment is either name without its tree.

    Source: renameat2(2), RENAME_EXCHANGE. Raises Untouched where that cannot be done.
    """
    parent = os.open(second.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if code := _exchange(parent, os.fsencode(first.name), os.fsencode(second.name)):
            raise Untouched(f"{second} cannot be replaced: {os.strerror(code)}", hint=_advice(code))
        os.fsync(parent)
    finally:
        os.close(parent)


def _exchange(parent: int, first: bytes, second: bytes) -> int:
    """Return 0, or the error number."""
    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "renameat2"):  # musl
        return errno.ENOSYS
    return ctypes.get_errno() if libc.renameat2(parent, first, parent, second, RENAME_EXCHANGE) else 0


def _advice(code: int) -> str:
    if code in (errno.EINVAL, errno.ENOSYS, errno.EXDEV):
        return "the file system cannot swap folders in one step: restore with --to and put the files in place by hand"
    return "check the permissions, and that it is no mount point"
