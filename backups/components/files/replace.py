"""Putting a tree of files back from its nested tar: built beside the live one, proven, swapped in one step.

Places of the site in it stay where they are: such a tree is swapped around them.
"""

import ctypes
import os
from collections.abc import Callable
from pathlib import Path

from backups.archive.manifest.permissions import Permissions
from backups.components.files.compare import first_difference
from backups.components.files.read import NestedTar
from backups.components.files.replace_around import publish_around
from backups.components.files.unpack import unpack_tree
from backups.errors import ComponentError, Untouched
from backups.lib.atomic import (
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
from backups.lib.mounts import mounts, mounts_below
from backups.lib.ownership import Ownership, ownership_for
from backups.lib.site_paths import NO_PLACES_BELOW, PlacesBelow
from destinations.lib.formats import listed


def replace_tree(
    archive: Path,
    live: Path,
    checkpoint: Callable[[int], None],
    permissions: Permissions | None = None,
    *,
    own: PlacesBelow = NO_PLACES_BELOW,
) -> tuple[os.stat_result, list[str]]:
    """Make the folder `live` hold the tree in `archive`; return the stat of that folder, by which to know it again, and
    notes for the operator. Folders that are missing above it are made as `permissions` say.

    Modes come back as they were, set-user-id bits too, and owners where this user may set them: whoever confirmed the
    restore vouches for the archive. The site's `own` places below `live` stay as they are, whatever the archive holds.
    Raises Untouched, and ComponentError where `live` may have been replaced already.
    """
    draft = draft_of(live)
    try:
        with untouched(), refusing(live, Untouched):
            require_replaceable(live, own)
            require_ways(archive, live, own)
            notes = make_parents(live, permissions)
        built = _build(archive, live, draft, checkpoint, own)
        with refusing(live, ComponentError):
            if own and live.exists():
                return publish_around(draft, live, own), notes
            _publish(draft, live)
    finally:
        discard_draft(live)
    return built, notes


def clear_tree(live: Path, own: PlacesBelow) -> None:
    """Take everything out of the folder `live` but the site's `own` places and the folders on the way to them.

    Raises Untouched, and ComponentError where something may be gone already.
    """
    draft = draft_of(live)
    try:
        with refusing(live, Untouched):
            require_replaceable(live, own)
            discard(draft)
            draft.mkdir(mode=0o700)
            _adopt(draft, live)
        publish_around(draft, live, own)
    finally:
        discard_draft(live)


def _adopt(draft: Path, live: Path) -> None:
    descriptor = os.open(draft, FOLDER)
    try:
        Ownership.of(live.stat()).give(descriptor)
    finally:
        os.close(descriptor)


def require_replaceable(live: Path, own: PlacesBelow) -> None:
    """Raise Untouched for a tree that cannot be swapped."""
    if live.exists() and not live.is_dir():
        raise Untouched(f"{live} is a file, the backup holds a folder.", hint="Move it away, then restore again.")
    for mount in mounts_below(live):
        if not own.holds(str(mount.relative_to(live))):
            raise Untouched(
                f"{live} cannot be replaced: {mount} in it is a mount point.",
                hint="Unmount it, or make a component of its own of what lies there.",
            )
    if own and any(mount.point == live for mount in mounts()):
        raise Untouched(
            f"{live} cannot be replaced: it is a mount point, and holds {_named(own)} of this site.",
            hint="Move those out of it, or make components of the folders beside them.",
        )


def require_ways(archive: Path, live: Path, own: PlacesBelow) -> None:
    """Raise Untouched when `archive` has something else where a folder leads to one of the site's `own` places."""
    ways = {way for way in own.ways if os.path.isdir(live / way)}  # noqa: PTH112 - Path raises where it may not look
    if not ways:
        return
    with archive.open("rb") as file:
        for member in NestedTar(file, archive.name).members():
            if member.name in ways and not member.isdir():
                raise Untouched(
                    f"{live / member.name} is no folder in the backup, and now leads to {_named(own)} of this site.",
                    hint="Move those to another folder, then restore again.",
                )


def _named(own: PlacesBelow) -> str:
    return listed(sorted({place.what for place in own.places.values()}))


def _build(
    archive: Path, live: Path, draft: Path, checkpoint: Callable[[int], None], own: PlacesBelow
) -> os.stat_result:
    with untouched():
        with refusing(live, Untouched):
            discard(draft)
            draft.mkdir(mode=0o700)
            built = _unpack(archive, live, draft, checkpoint, own)
        if (found := first_difference(archive, draft, checkpoint, own)) is not None:
            raise ComponentError(f"{live} cannot be replaced: {found} was not unpacked as it is in the backup.")
    return built


def _unpack(
    archive: Path, live: Path, draft: Path, checkpoint: Callable[[int], None], own: PlacesBelow
) -> os.stat_result:
    descriptor = os.open(draft, FOLDER)
    try:
        if os.fstat(descriptor).st_uid != os.geteuid():
            raise Untouched(f"{draft} was put there by somebody else.", hint="Find out who, then restore again.")
        otherwise = Ownership.of(live.stat()) if live.is_dir() else ownership_for(None, live.parent.stat(), folder=True)
        unpack_tree(archive, descriptor, otherwise, checkpoint, own)
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
