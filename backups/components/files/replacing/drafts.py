"""What a restore of a tree leaves beside it or in it when it is stopped: settled by the next one, or removed."""

import os
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path

from backups.components.files.replacing.layout import Layout
from backups.lib.filesystem.atomic import FOLDER, discard, draft_of, sync_directory
from backups.lib.filesystem.exchange import aside_of
from backups.lib.filesystem.folders import open_below
from backups.lib.filesystem.walk import DRAFT_INSIDE, walk
from destinations.lib.disks import fsync_folder
from destinations.lib.formats import printable


def settle_aside(live: Path) -> None:
    """End an exchange in steps that was stopped; raises OSError.

    The tree that was moved aside gets its name again, or is removed where another one has it.
    """
    aside = aside_of(draft_of(live))
    if not os.path.lexists(aside):
        return
    if os.path.lexists(live):
        discard(aside)
    else:
        aside.rename(live)
        sync_directory(live.parent)


def settle_inside(layout: Layout) -> None:
    """End such exchanges of entries of the tree: what was moved aside into a draft gets its name again.

    Where another entry has the name, it stays in the draft. Raises OSError and ComponentError.
    """
    live = layout.live
    inside = [(live / name / DRAFT_INSIDE, live / name) for name in ("", *layout.folders)]
    for draft, folder in ((draft_of(live), live), *inside):
        # in a draft that another user made there could be anything
        if draft.is_symlink() or not draft.is_dir() or draft.stat().st_uid != os.geteuid():
            continue
        names = {entry.name for entry in walk(draft)}
        for name in sorted(names):
            # the entry that was built is still there beside the live one, which tells its name
            if str(aside := aside_of(Path(name))) in names:
                _move_back(draft, folder, aside, Path(name))


def _move_back(draft: Path, live: Path, aside: Path, name: Path) -> None:
    """Move the entry `aside` of the draft to `name` in the live tree, unless that exists."""
    with ExitStack() as opened:
        here = open_below(draft, str(name.parent), FOLDER)
        opened.callback(os.close, here)
        there = open_below(live, str(name.parent), FOLDER)
        opened.callback(os.close, there)
        if name.name not in os.listdir(there):  # noqa: PTH208 - of an open folder
            os.rename(aside.name, name.name, src_dir_fd=here, dst_dir_fd=there)
            fsync_folder(there)


def remove_drafts(layout: Layout) -> None:
    """Remove the drafts, also a tree that was moved aside; errors are ignored."""
    for draft in layout.drafts():
        # the next restore fails if it is still there
        with suppress(OSError):
            discard(draft)


def notes_on_drafts(layout: Layout) -> list[str]:
    """Return a note for the operator on each draft that is still there."""
    return [
        printable(f"{draft}, the tree from before, could not be removed: remove it by hand")
        for draft in layout.drafts()
        if os.path.lexists(draft)
    ]


def discard_drafts(layout: Layout, checkpoint: Callable[[int], None] = lambda _: None) -> None:
    """Remove the drafts, with what was in the tree before. One that stays is found by `notes_on_drafts`.

    `checkpoint` is called with 0 for each folder, and may raise.
    """
    # where this fails, the tree moved aside is not among the drafts
    with suppress(OSError):
        settle_aside(layout.live)
    for draft in layout.drafts():
        inside = draft.parent.stat() if draft.name == DRAFT_INSIDE and draft.exists() else None
        try:
            with suppress(OSError):
                discard(draft, checkpoint)
        finally:
            if inside is not None:
                # the folder has the time that it had in the backup, and the draft was in it
                with suppress(OSError):
                    os.utime(draft.parent, ns=(inside.st_atime_ns, inside.st_mtime_ns))
