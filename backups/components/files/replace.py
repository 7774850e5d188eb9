"""Replacing a live tree by its nested tar: unpacked beside it, compared with the tar, swapped in one step.

A tree that holds the site's own paths is swapped around them.
"""

import ctypes
import os
from collections.abc import Callable
from pathlib import Path

from backups.archive.manifest.permissions import Permissions
from backups.components.files.compare import first_difference
from backups.components.files.read import NestedTar
from backups.components.files.replace_around import swap_around
from backups.components.files.unpack import unpack_tree
from backups.errors import ComponentError, Untouched
from backups.lib.atomic import (
    FOLDER,
    discard,
    discard_draft,
    draft_of,
    exchange,
    make_parents,
    sync_directory,
    translate_os_errors,
    untouched,
)
from backups.lib.mounts import mounts, mounts_below
from backups.lib.ownership import Ownership, ownership_for
from backups.lib.site_paths import NO_SITE_PATHS_BELOW, SitePathsBelow
from destinations.lib.formats import listed


def replace_tree(
    archive: Path,
    live: Path,
    checkpoint: Callable[[int], None],
    permissions: Permissions | None = None,
    *,
    own: SitePathsBelow = NO_SITE_PATHS_BELOW,
) -> tuple[os.stat_result, list[str]]:
    """Replace the folder `live` by the tree in `archive`; return the stat of the new folder and notes for the operator.

    Missing folders above it are made with `permissions`. Modes are restored, set-user-id bits included, and owners
    where this user may set them: the person who confirmed the restore trusts the archive. The site's `own` paths below
    `live` are not changed. Raises Untouched, and ComponentError where `live` may have been replaced already.
    """
    draft = draft_of(live)
    try:
        with untouched(), translate_os_errors(live, Untouched):
            require_replaceable(live, own)
            require_folders_above_own(archive, live, own)
            notes = make_parents(live, permissions)
        with untouched():
            with translate_os_errors(live, Untouched):
                discard(draft)
                draft.mkdir(mode=0o700)
                built = _unpack(archive, live, draft, checkpoint, own)
            if (found := first_difference(archive, draft, checkpoint, own)) is not None:
                raise ComponentError(f"{live} cannot be replaced: {found} was not unpacked as it is in the backup.")
        with translate_os_errors(live, ComponentError):
            if own and live.exists():
                return swap_around(draft, live, own), notes
            if live.exists():
                exchange(draft, live)
            else:
                draft.rename(live)
                sync_directory(live.parent)
    finally:
        discard_draft(live)
    return built, notes


def clear_tree(live: Path, own: SitePathsBelow) -> None:
    """Empty the folder `live`, but keep the site's `own` paths and the folders above them.

    Raises Untouched, and ComponentError where something may have been removed already.
    """
    draft = draft_of(live)
    try:
        with translate_os_errors(live, Untouched):
            require_replaceable(live, own)
            discard(draft)
            draft.mkdir(mode=0o700)
            # the swap gives the owner and mode of the draft to `live`
            descriptor = os.open(draft, FOLDER)
            try:
                Ownership.of(live.stat()).set_on(descriptor)
            finally:
                os.close(descriptor)
        swap_around(draft, live, own)
    finally:
        discard_draft(live)


def require_replaceable(live: Path, own: SitePathsBelow) -> None:
    """Raise Untouched when `live` is a file, or a mount point prevents the swap."""
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


def require_folders_above_own(archive: Path, live: Path, own: SitePathsBelow) -> None:
    """Raise Untouched when `archive` has a file or link in place of a folder above one of the site's `own` paths."""
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


def _named(own: SitePathsBelow) -> str:
    return listed(sorted({place.what for place in own.places.values()}))


def _unpack(
    archive: Path, live: Path, draft: Path, checkpoint: Callable[[int], None], own: SitePathsBelow
) -> os.stat_result:
    descriptor = os.open(draft, FOLDER)
    try:
        if os.fstat(descriptor).st_uid != os.geteuid():
            raise Untouched(f"{draft} belongs to another user.", hint="Find out who made it, then restore again.")
        otherwise = Ownership.of(live.stat()) if live.is_dir() else ownership_for(None, live.parent.stat(), folder=True)
        unpack_tree(archive, descriptor, otherwise, checkpoint, own)
        # one call for the whole file system: fsync of each file takes minutes for many small ones
        if ctypes.CDLL(None, use_errno=True).syncfs(descriptor):
            raise OSError(ctypes.get_errno(), "the file system could not be synced")
        return os.fstat(descriptor)
    finally:
        os.close(descriptor)
