"""A file, or a tree of files packed as one nested tar, which ``tar xpf`` unpacks.

The nested tar keeps everything that the tree has, and the archive around it stays flat.
"""

import os
import stat
from collections.abc import Collection, Iterator, Sequence
from functools import partial
from pathlib import Path

from backups.archive.manifest.document import Entry, LeftOut
from backups.components.base import (
    ApplyContext,
    Component,
    Contents,
    Export,
    ExportContext,
    ExportedPart,
    SpaceNeeded,
)
from backups.components.files.compare import first_difference
from backups.components.files.kernel_files import kernel_made, with_kernel_files
from backups.components.files.pack_listed import pack_listed
from backups.components.files.replacing.drafts import discard_drafts, notes_on_drafts, remove_drafts
from backups.components.files.replacing.layout import layout_of, obstacles
from backups.components.files.replacing.replace import clear_tree, replace_tree
from backups.components.files.replacing.scope import Scope
from backups.components.files.space import TarSize, region_space, tar_bytes
from backups.errors import ComponentError, Untouched
from backups.lib.beside import beside
from backups.lib.filesystem.atomic import discard, replace_file, translate_os_errors
from backups.lib.filesystem.copy import copy_stable, matches_checksum
from backups.lib.filesystem.ownership import permissions_of
from backups.lib.filesystem.walk import walk
from backups.lib.filesystem.writable import file_obstacles
from backups.lib.paths import size_or_zero, stat_path
from backups.lib.site_paths import NO_SITE_PATHS, SitePaths, SitePathsBelow
from destinations.lib.formats import printable

STOP_SERVICE = "Stop the service meanwhile, with hooks.before_restore."


class FilesComponent(Component):
    kind = "files"

    def __init__(
        self, name: str, path: Path, *, member: str, optional: bool = False, own: SitePaths = NO_SITE_PATHS
    ) -> None:
        super().__init__(name, optional=optional)
        self.path = path
        self.member = member
        self.own = own
        self._applied: os.stat_result | None = None
        self._notes: list[str] = []
        self._unkept: frozenset[str] = frozenset()
        self._tree_bytes: int | None = None

    def sources(self) -> list[Path]:
        return [self.path]

    def site_paths_below(self) -> SitePathsBelow:
        """Return the paths in this tree that are not part of the component: the site's own, and those of the kernel."""
        return with_kernel_files(self.own.below(self.path), self.path)

    def staying(self) -> frozenset[str]:
        """Return the folders in this tree that a restore leaves there, whether the backup has them or not."""
        return layout_of(self.path.resolve(), self.site_paths_below()).staying

    def source_bytes(self) -> int:
        if not self.path.is_dir():
            return size_or_zero(self.path)
        # once: a restore asks three times before it changes anything, and a tree may have millions of entries
        if self._tree_bytes is None:
            self._tree_bytes = tar_bytes(self.path, self.site_paths_below())
        return self._tree_bytes

    def export(self, context: ExportContext) -> Export:
        if (refusal := kernel_made(self.path)) is not None:
            raise refusal
        info = stat_path(self.path)
        if not stat.S_ISDIR(info.st_mode):
            # a single file that is a tar itself must not be taken for a tree
            member = f"{self.name}.file.tar" if self.member == self._tree_member else self.member
            target = context.directory / member
            info = copy_stable(self.path, target, context.checkpoint)
            return Export([ExportedPart(self.name, target, member, "data", permissions_of(info, self.path))])
        permissions = permissions_of(info, self.path)
        target, own = context.directory / self._tree_member, self.site_paths_below()
        # the listing is kept beside the tar, and is not a member of the archive
        listing = context.directory / f".{self._tree_member}.list"
        packed = pack_listed(self.path, target, listing, context, own, size=self._tree_bytes or 0)
        places = list(own.existing(self.path))
        warnings = [f"{self.path / name} holds {place.description} and was left out" for name, place in places]
        left_out = [LeftOut(self.name, printable(name), place.what) for name, place in places]
        counts = packed.files, packed.file_bytes
        part = ExportedPart(self.name, target, target.name, "data", permissions, listing, *counts)
        return Export([part], [*packed.warnings, *map(printable, warnings)], left_out=left_out)

    @property
    def _tree_member(self) -> str:
        return f"{self.name}.tar"

    def salvage(self, context: ExportContext, error: ComponentError) -> Export:
        # only a missing component is recorded: an unreadable tree could not be restored from the safety backup
        if self.path.exists():
            raise error
        return Export(absent=[(self.name, error.message)])

    def accepts(self, entries: Sequence[Entry]) -> bool:
        return len(entries) == 1 and entries[0].type == "data"

    def obstacles(
        self, entries: Sequence[Entry] | None = None, contents: Contents | None = None, *, deep: bool = True
    ) -> Iterator[ComponentError]:
        live = self.path.resolve()
        if (refusal := kernel_made(live)) is not None:
            yield refusal
            return
        trees = [entry for entry in entries or () if self._is_tree(entry)]
        if trees or (entries is None and live.is_dir()):
            found = contents(trees[0]) if trees and contents is not None else None
            size, blocked, known = TarSize(), False, self._tree_bytes is not None
            layout, seen = layout_of(live, self.site_paths_below()), (lambda _: None) if known else size.add
            for obstacle in obstacles(layout, found, deep=deep, seen=seen):
                blocked = True
                yield obstacle
            if deep and not (blocked or known):
                self._tree_bytes = size.total
        else:
            yield from file_obstacles(live)

    def preflight(self, entries: Sequence[Entry], context: ApplyContext) -> list[str]:
        (entry,) = entries
        return self.site_path_notes() if self._is_tree(entry) else []

    def site_path_notes(self) -> list[str]:
        """Return notes on the site's own paths in this tree, which a restore leaves as they are."""
        return [
            printable(f"{self.path / name} holds {place.description} and stays as it is")
            for name, place in self.site_paths_below().existing(self.path)
        ]

    def space_needed(self, entries: Sequence[Entry], staged: Path) -> dict[Path, SpaceNeeded]:
        (entry,) = entries
        layout = layout_of(self.path.resolve(), self.site_paths_below())
        if self._is_tree(entry) and layout.in_place:
            return region_space(layout, staged / entry.file)
        needed = super().space_needed(entries, staged)
        if self._is_tree(entry) and layout.is_layered:
            # a file of a lower layer is copied up before it can be moved away
            old = self.source_bytes()
            needed = {folder: SpaceNeeded(one.meanwhile + old, one.growth) for folder, one in needed.items()}
        return needed

    def apply(self, entries: Sequence[Entry], context: ApplyContext) -> None:
        (entry,) = entries
        staged, live = context.staged / entry.file, self.path.resolve()
        self._tree_bytes = None
        if self._is_tree(entry):
            done = replace_tree(
                staged,
                live,
                context.checkpoint,
                entry.permissions,
                own=self.site_paths_below(),
                trusted=entry.trusted,
                index=context.index_of(entry),
                keep_replaced=True,
            )
            self._applied, self._notes, self._unkept = done.info, done.notes, done.unkept
        elif live.is_dir():
            raise Untouched(
                f"{self.path} is a folder, the backup holds a file.", hint="Move the folder away, then restore again."
            )
        else:
            self._notes = replace_file(staged, live, checkpoint=context.checkpoint, permissions=entry.permissions)

    def verify(self, entries: Sequence[Entry], context: ApplyContext) -> list[str]:
        (entry,) = entries
        if not self._is_tree(entry):
            if not matches_checksum(self.path, entry.checksum_sha256):
                raise ComponentError(f"{self.path} is not what the restore has just written.", hint=STOP_SERVICE)
            return self._notes
        if self._applied is None or not os.path.samestat(self._applied, stat_path(self.path)):
            raise ComponentError(f"{self.path} is not the folder that the restore has just made.", hint=STOP_SERVICE)
        notes, layout = [*self._notes], layout_of(self.path.resolve(), self.site_paths_below())
        # where it is stopped, the rollback removes the rest of the tree from before
        with beside(partial(discard_drafts, layout)) as discarded:
            # a note, no error: the tree was compared before it took its name, so a difference has been written since
            try:
                if (found := self._first_difference(entry, context)) is not None:
                    notes.append(printable(f"{self.path / found} was changed right after the restore"))
            except ComponentError as error:
                notes.append(error.message)
            discarded(context.checkpoint)
        return notes + notes_on_drafts(layout)

    def _first_difference(self, entry: Entry, context: ApplyContext) -> str | None:
        layout = layout_of(self.path.resolve(), self.site_paths_below())
        return first_difference(
            context.staged / entry.file,
            self.path,
            context.checkpoint,
            Scope(layout.own),
            staying=layout.staying,
            unkept=self._unkept,
            trusted=entry.trusted,
            index=context.index_of(entry),
        )

    def matches(self, entries: Sequence[Entry], context: ApplyContext) -> bool:
        (entry,) = entries
        if not self._is_tree(entry):
            return matches_checksum(self.path, entry.checksum_sha256)
        return self.path.is_dir() and self._first_difference(entry, context) is None

    def was_changed(self) -> bool:
        # the tree was compared before it took its name: a difference afterwards is another process's
        return self._applied is not None

    def exists(self, part: str = "") -> bool:
        # an empty folder exists, but not one that only holds what a restore can neither remove nor replace
        layout = layout_of(self.path.resolve(), self.site_paths_below())
        if not (layout.in_place and self.path.is_dir()):
            return self.path.exists()
        return any(entry.name not in layout.staying for entry in walk(self.path, layout.own))

    def remove(self, parts: Collection[str] = ("",)) -> None:
        live, own = self.path.resolve(), self.site_paths_below()
        if live.is_dir() and layout_of(live, own).in_place:
            clear_tree(live, own)
            return
        if live.is_dir():
            # in the middle of the tree would be too late
            for obstacle in obstacles(layout_of(live, own)):
                raise obstacle
        with translate_os_errors(live, ComponentError):
            discard(live)

    def remove_drafts(self) -> None:
        remove_drafts(layout_of(self.path.resolve(), self.site_paths_below()))

    def _is_tree(self, entry: Entry) -> bool:
        return entry.file == self._tree_member
