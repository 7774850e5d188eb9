"""Replacing a live tree by its nested tar: unpacked beside it, compared with the tar, swapped in one step.

A tree that cannot be renamed is replaced in place.
"""

import ctypes
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from backups.archive.manifest.permissions import Permissions
from backups.components.base import Content
from backups.components.files.compare import first_difference
from backups.components.files.read import NestedTar
from backups.components.files.replacing.around import replace_in_place
from backups.components.files.replacing.drafts import discard_drafts, settle_aside, settle_inside
from backups.components.files.replacing.layout import MOUNT_HINT, Layout, Region, layout_of, obstacles
from backups.components.files.replacing.mounted_file import MountedFile
from backups.components.files.unkept import Unkept
from backups.components.files.unpack import unpack_tree
from backups.errors import ComponentError, Stranded, Untouched
from backups.lib.filesystem.atomic import (
    FOLDER,
    discard,
    make_parents,
    sync_directory,
    translate_os_errors,
    untouched,
)
from backups.lib.filesystem.exchange import exchange
from backups.lib.filesystem.ownership import Ownership, ownership_for
from backups.lib.site_paths import NO_SITE_PATHS_BELOW, SitePathsBelow


@dataclass(frozen=True, slots=True)
class Replaced:
    """The stat of the new folder, notes for the operator, and the attributes that could not be restored."""

    info: os.stat_result
    notes: list[str]
    unkept: frozenset[str]


def replace_tree(
    archive: Path,
    live: Path,
    checkpoint: Callable[[int], None],
    permissions: Permissions | None = None,
    *,
    own: SitePathsBelow = NO_SITE_PATHS_BELOW,
    trusted: bool = True,
    index: Path | None = None,
    keep_replaced: bool = False,
) -> Replaced:
    """Replace the folder `live` by the tree in `archive`.

    Missing folders above it are made with `permissions`. Modes are restored, set-id bits included where the archive
    is `trusted`, and owners where this user may set them. The site's `own` paths below `live` are not changed. `index`
    is that of `archive`, where it has one. With `keep_replaced` the drafts hold in the end what was replaced. Raises
    Untouched, and ComponentError where `live` may have been replaced already.
    """
    with untouched(), translate_os_errors(live, Untouched):
        settle_aside(live)
        layout, unkept = layout_of(live, own), Unkept()
        settle_inside(layout)
    in_place, regions = layout.in_place, layout.regions()
    notes: list[str] = []
    with _discarding_drafts(layout, keep_replaced=keep_replaced):
        with untouched(), translate_os_errors(live, Untouched):
            require_replaceable(layout, archive)
            notes += make_parents(live, permissions)
        with ExitStack() as opened:
            with untouched():
                for region in regions:
                    with translate_os_errors(region.live, Untouched):
                        built = _build(archive, live, region, checkpoint, unkept, trusted=trusted, index=index)
                with translate_os_errors(live, Untouched):
                    files = [
                        opened.enter_context(MountedFile.read(archive, name, live, unkept, trusted=trusted))
                        for name in layout.files
                    ]
            with translate_os_errors(live, ComponentError):
                if not layout.exists:
                    regions[0].draft.rename(live)
                    sync_directory(live.parent)
                elif in_place or not exchange(regions[0].draft, live):
                    built = replace_in_place(regions, files, live)
    return Replaced(built, notes + unkept.notes(live), frozenset(unkept.found))


def clear_tree(live: Path, own: SitePathsBelow) -> None:
    """Empty the folder `live`, but keep the site's `own` paths, mount points and the folders above them.

    Raises Untouched, and ComponentError where something may have been removed already.
    """
    layout = layout_of(live, own)
    regions = layout.regions()
    with _discarding_drafts(layout):
        with translate_os_errors(live, Untouched):
            settle_inside(layout)
            for obstacle in obstacles(layout):
                raise obstacle
            for name in (*layout.folders, *layout.files):
                # the backup does not have the tree, and what was mounted in it since may be anything
                raise Untouched(f"{live} cannot be removed: {live / name} in it is a mount point.", hint=MOUNT_HINT)
            for region in regions:
                discard(region.draft)
                region.draft.mkdir(mode=0o700)
                # the swap gives the owner and mode of the draft to `live`
                descriptor = os.open(region.draft, FOLDER)
                try:
                    Ownership.of(region.live.stat()).set_on(descriptor)
                finally:
                    os.close(descriptor)
        replace_in_place(regions, [], live)


def require_replaceable(layout: Layout, archive: Path) -> None:
    """Raise Untouched when the tree in `archive` cannot replace the live one."""
    for obstacle in obstacles(layout, contents_of(archive)):
        raise obstacle


def contents_of(archive: Path) -> Iterator[Content]:
    """Yield name, type and target of each entry of a nested tar."""
    with archive.open("rb") as file:
        for member in NestedTar(file, archive.name).members():
            yield member.name, member.type, member.target


@contextmanager
def _discarding_drafts(layout: Layout, *, keep_replaced: bool = False) -> Iterator[None]:
    """Remove the drafts in the end, unless one of them holds an entry of the live tree that is at no other place.

    With `keep_replaced` only after an error.
    """
    try:
        yield
    except Stranded:
        raise
    except BaseException:
        discard_drafts(layout)
        raise
    if not keep_replaced:
        discard_drafts(layout)


def _build(
    archive: Path,
    tree: Path,
    region: Region,
    checkpoint: Callable[[int], None],
    unkept: Unkept,
    *,
    trusted: bool,
    index: Path | None,
) -> os.stat_result:
    """Unpack the `region` of `tree` into its draft, compare that with `archive`, and sync it; return its stat."""
    live = region.live
    discard(region.draft)
    region.draft.mkdir(mode=0o700)
    descriptor = os.open(region.draft, FOLDER)
    try:
        if os.fstat(descriptor).st_uid != os.geteuid():
            raise Untouched(
                f"{region.draft} belongs to another user.", hint="Find out who made it, then restore again."
            )
        otherwise = Ownership.of(live.stat()) if live.is_dir() else ownership_for(None, live.parent.stat(), folder=True)
        unkept.include(
            unpack_tree(archive, descriptor, otherwise, checkpoint, region.scope, trusted=trusted, index=index)
        )
        with _synced(descriptor):
            different = first_difference(
                archive, region.draft, checkpoint, region.scope, unkept=unkept.found, trusted=trusted, index=index
            )
        if different is not None:
            raise ComponentError(f"{tree} cannot be replaced: {different} was not unpacked as it is in the backup.")
        return os.fstat(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _synced(draft: int) -> Iterator[None]:
    """Write the file system of the open folder `draft` to its disk, in a thread beside the block. Raises OSError."""

    def sync() -> None:
        # one call for the whole file system: fsync of each file takes minutes for many small ones
        if ctypes.CDLL(None, use_errno=True).syncfs(draft):
            raise OSError(ctypes.get_errno(), "the file system could not be synced")

    with ThreadPoolExecutor(1, "sync") as executor:
        try:
            synced = executor.submit(sync)
        except RuntimeError:  # no memory for a thread: a rollback has to go on
            sync()
            yield
        else:
            yield
            synced.result()
