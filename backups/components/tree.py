"""Putting a tree of files back from its nested tar: built beside the live one, proven, swapped in one step."""

import ctypes
import os
import re
from collections.abc import Callable
from pathlib import Path

from backups.archive.permissions import Permissions
from backups.components.comparing import first_difference
from backups.components.unpacking import unpack_tree
from backups.errors import ComponentError, Untouched
from backups.ownership import Ownership, ownership_for
from backups.replacing import (
    FOLDER,
    discard,
    discard_draft,
    draft_of,
    exchange,
    make_parents,
    refusing,
    sync_directory,
    untouched,
)

MOUNTS = Path("/proc/self/mountinfo")


def replace_tree(
    archive: Path, live: Path, checkpoint: Callable[[int], None], permissions: Permissions | None = None
) -> tuple[os.stat_result, list[str]]:
    """Make the folder `live` hold the tree in `archive`; return the stat of that folder, by which to know it again, and
    notes for the operator. Folders that are missing above it are made as `permissions` say.

    Modes come back as they were, set-user-id bits too, and owners where this user may set them: whoever confirmed the
    restore vouches for the archive. Raises Untouched, and ComponentError where `live` may have been replaced already.
    """
    draft = draft_of(live)
    try:
        with untouched(), refusing(live, Untouched):
            _require_replaceable(live)
            notes = make_parents(live, permissions)
        built = _build(archive, live, draft, checkpoint)
        with refusing(live, ComponentError):
            _publish(draft, live)
    finally:
        discard_draft(live)
    return built, notes


def _build(archive: Path, live: Path, draft: Path, checkpoint: Callable[[int], None]) -> os.stat_result:
    with untouched():
        with refusing(live, Untouched):
            discard(draft)
            draft.mkdir(mode=0o700)
            built = _unpack(archive, live, draft, checkpoint)
        if (found := first_difference(archive, draft, checkpoint)) is not None:
            raise ComponentError(f"{live} cannot be replaced: {found} was not unpacked as it is in the backup")
    return built


def _require_replaceable(live: Path) -> None:
    if live.exists() and not live.is_dir():
        raise Untouched(f"{live} is a file, the backup holds a folder", hint="move it away, then restore again")
    for mount in _mounts_below(live):
        raise Untouched(
            f"{live} cannot be replaced: {mount} in it is a mount point",
            hint="unmount it, or make a component of its own of what lies there",
        )


def _mounts_below(folder: Path) -> list[Path]:
    """Return the mount points in `folder`: whoever removes the old tree would empty what is mounted there.

    Source of the format: proc_pid_mountinfo(5).
    """
    fields = (line.split()[4] for line in MOUNTS.read_text(encoding="utf-8", errors="surrogateescape").splitlines())
    points = (Path(re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), field)) for field in fields)
    return [point for point in points if point != folder and point.is_relative_to(folder)]


def _unpack(archive: Path, live: Path, draft: Path, checkpoint: Callable[[int], None]) -> os.stat_result:
    descriptor = os.open(draft, FOLDER)
    try:
        if os.fstat(descriptor).st_uid != os.geteuid():
            raise Untouched(f"{draft} was put there by somebody else", hint="find out who, then restore again")
        otherwise = Ownership.of(live.stat()) if live.is_dir() else ownership_for(None, live.parent.stat(), folder=True)
        unpack_tree(archive, descriptor, otherwise, checkpoint)
        # one call for the whole file system: to sync file by file takes minutes where there are many small ones
        if ctypes.CDLL(None, use_errno=True).syncfs(descriptor):
            raise OSError(ctypes.get_errno(), "the file system could not be synced")
        return os.fstat(descriptor)
    finally:
        os.close(descriptor)


def _publish(draft: Path, live: Path) -> None:
    if live.exists():
        exchange(draft, live)
    else:
        draft.rename(live)
        sync_directory(live.parent)
