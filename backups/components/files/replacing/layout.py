"""How a live tree can be replaced, and what stands in the way: the same answer for backup, check, preview and restore.

A tree is swapped as a whole where that is possible. Where its folder cannot be renamed (a mount point, a folder above
that this user may not write, a file system mounted in it, paths of this site in it), it is replaced in place: each of
its file systems by itself, name by name, and single files that are mounted by writing into them.
"""

import os
import stat
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from backups.components.base import Content
from backups.components.files.format.header import FILE, FOLDER, HARD_LINK
from backups.components.files.replacing.scope import Scope
from backups.errors import ComponentError, Untouched
from backups.lib.filesystem.atomic import draft_of
from backups.lib.filesystem.exchange import aside_of
from backups.lib.filesystem.flags import protection
from backups.lib.filesystem.walk import DRAFT_INSIDE, TreeEntry, walk
from backups.lib.filesystem.writable import access_hint, may_rename, may_write, nearest_folder, reason_against_writing
from backups.lib.site_paths import SitePathsBelow
from destinations.lib.formats import listed
from destinations.lib.mounts import mount_of, mounts

MOUNT_HINT = "Unmount it, or make a component of its own of what lies there."


@dataclass(frozen=True, slots=True)
class Region:
    """A part of the tree that is built in the folder `draft` and swapped with what `live` holds."""

    scope: Scope
    live: Path
    draft: Path


@dataclass(frozen=True, slots=True)
class Layout:
    """The tree at `live`: the site's `own` paths in it, the `folders` and `files` in it that are mount points.

    `is_mounted` when the tree itself is one; `is_layered` on overlayfs, which cannot move folders of its lower layers.
    """

    live: Path
    own: SitePathsBelow
    is_mounted: bool
    folders: tuple[str, ...]
    files: tuple[str, ...]
    is_layered: bool = False

    @property
    def exists(self) -> bool:
        return os.path.lexists(self.live)

    @property
    def inside(self) -> bool:
        """Return whether a draft can only be made in the tree itself, not beside it."""
        return self.exists and (self.is_mounted or not may_rename(self.live))

    @property
    def in_place(self) -> bool:
        """Return whether the folder of the tree stays, and what it holds is replaced name by name."""
        return self.exists and bool(self.own or self.folders or self.files or self.inside)

    def regions(self) -> list[Region]:
        """Return the parts of the tree by file system, the one with its root first."""
        mounted = frozenset({*self.folders, *self.files})
        root = self.live / DRAFT_INSIDE if self.inside else draft_of(self.live)
        found = [Region(Scope(self.own, "", mounted), self.live, root)]
        for name in self.folders:
            nested = frozenset(other for other in mounted if other.startswith(f"{name}/"))
            found.append(Region(Scope(self.own, name, nested), self.live / name, self.live / name / DRAFT_INSIDE))
        return found

    @property
    def staying(self) -> frozenset[str]:
        """Return the folders that stay, whether a backup has them or not."""
        return frozenset({*Scope(self.own, "", frozenset({*self.folders, *self.files})).ways, *self.folders})

    def drafts(self) -> Iterator[Path]:
        """Yield every path where a restore may have built something that is to be removed."""
        yield draft_of(self.live)
        # without the live tree this is all that is left of it
        if self.exists:
            yield aside_of(draft_of(self.live))
        for name in ("", *self.folders):
            yield self.live / name / DRAFT_INSIDE


def layout_of(live: Path, own: SitePathsBelow) -> Layout:
    """Return the layout of the resolved path `live`."""
    folders, files, is_mounted = list[str](), list[str](), False
    known = mounts()
    for point in dict.fromkeys(mount.point for mount in known):
        if point == live:
            is_mounted = True
        elif point.is_relative_to(live) and not own.holds(name := str(point.relative_to(live))):
            try:
                info = point.lstat()
            except OSError:
                # hidden by what was mounted over a folder above it later
                continue
            (folders if stat.S_ISDIR(info.st_mode) else files).append(name)
    holding = mount_of(live, known)
    is_layered = holding is not None and holding.type == "overlay"
    return Layout(live, own, is_mounted, tuple(sorted(folders)), tuple(sorted(files)), is_layered)


def obstacles(
    layout: Layout,
    contents: Iterable[Content] | None = None,
    *,
    deep: bool = True,
    seen: Callable[[TreeEntry], object] = lambda _: None,
) -> Iterator[Untouched]:
    """Yield what would stop a restore of the tree, before anything is changed.

    `contents` are the entries of the backup where they are at hand. With `deep` what is in the live tree is examined
    too; `seen` is called with each entry of it, up to one that is in the way.
    """
    live = layout.live
    if not layout.exists:
        parent = nearest_folder(live)
        if not may_write(parent):
            yield Untouched(f"{live} cannot be created: {reason_against_writing(parent)}.", hint=access_hint(parent))
        return
    if not live.is_dir():
        yield Untouched(f"{live} is a file, the backup holds a folder.", hint="Move it away, then restore again.")
        return
    if layout.in_place and not may_write(live):
        yield Untouched(f"{live} cannot be replaced: {reason_against_writing(live)}.", hint=access_hint(live))
    for name in (*layout.folders, *layout.files):
        if not may_write(live / name):
            yield Untouched(
                f"{live} cannot be replaced: {live / name} in it is a mount point, and"
                f" {reason_against_writing(live / name)}.",
                hint=access_hint(live / name, MOUNT_HINT),
            )
    if deep:
        yield from _unremovable(layout, seen)
    if contents is not None and layout.in_place:
        yield from _misplaced(layout, contents)


def _unremovable(layout: Layout, seen: Callable[[TreeEntry], object]) -> Iterator[Untouched]:
    """Yield the first entry of the tree that this user could not remove: the former tree goes after the swap."""
    user = os.geteuid()
    try:
        for entry in walk(layout.live, layout.own):
            # root may change the folders of others; for other users the stat also tells what they cannot reach
            foreign = user and entry.info.st_uid != user and entry.is_folder and not may_write(entry.path)
            if foreign or protection(entry.base, entry.dir_fd):
                yield Untouched(
                    f"{layout.live} cannot be replaced: {reason_against_writing(entry.path)}.",
                    hint=access_hint(entry.path),
                )
                return
            seen(entry)
    except ComponentError as error:
        yield Untouched(f"{layout.live} cannot be replaced: {error.message}", hint=error.hint)


def _misplaced(layout: Layout, contents: Iterable[Content]) -> Iterator[Untouched]:
    """Yield entries of the backup that do not fit what is mounted, or lies, in the live tree."""
    live, own = layout.live, layout.own
    ways = {way for way in own.ways if os.path.isdir(live / way)}  # noqa: PTH112 - Path raises where it may not look
    mounted = frozenset({*layout.folders, *layout.files})
    leading = layout.staying
    missing = set(layout.files)
    for name, type_, target in contents:
        missing.discard(name)
        if name in ways and type_ != FOLDER:
            yield Untouched(
                f"{live / name} is no folder in the backup, and now leads to {named(own)}.",
                hint="Move those to another folder, or unmount them, then restore again.",
            )
        elif (name in leading and type_ != FOLDER) or (name in layout.files and type_ != FILE):
            yield Untouched(
                f"{live / name} is a mount point or leads to one, and is something else in the backup.",
                hint=MOUNT_HINT,
            )
        elif type_ == HARD_LINK and mounted and _file_system(name, mounted) != _file_system(target, mounted):
            yield Untouched(
                f"{live / name} and {live / target} are one file in the backup, and lie on two file systems now.",
                hint=MOUNT_HINT,
            )
    for name in sorted(missing):
        yield Untouched(f"{live / name} is a mount point, and is not in the backup.", hint=MOUNT_HINT)


def _file_system(name: str, mounted: frozenset[str]) -> str:
    while name and name not in mounted:
        name = name.rpartition("/")[0]
    return name


def named(own: SitePathsBelow) -> str:
    """Return what these paths of the site hold."""
    return listed(sorted({place.description for place in own.places.values()}))
