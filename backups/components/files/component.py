"""A file, or a tree of files packed as one nested tar, which ``tar xpf`` unpacks.

The nested tar keeps names, modes, owners, times and links of the tree, and the archive around it stays flat.
"""

import os
import stat
from collections.abc import Collection, Sequence
from contextlib import suppress
from pathlib import Path

from backups.archive.manifest.document import Entry, LeftOut
from backups.components.base import ApplyContext, Component, Export, ExportContext, ExportedPart
from backups.components.files.compare import first_difference
from backups.components.files.listing import ListWriter, listed_member
from backups.components.files.pack import TAR_BLOCK, pack_tree
from backups.components.files.replace import clear_tree, replace_tree, require_folders_above_own, require_replaceable
from backups.errors import ComponentError, Untouched
from backups.lib.atomic import discard, discard_draft, draft_of, replace_file, translate_os_errors
from backups.lib.copy import copy_stable, matches_checksum
from backups.lib.ownership import permissions_of
from backups.lib.paths import size_or_zero, stat_path
from backups.lib.site_paths import NO_SITE_PATHS, SitePaths, SitePathsBelow
from backups.lib.walk import walk
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

    def sources(self) -> list[Path]:
        return [self.path]

    def site_paths_below(self) -> SitePathsBelow:
        """Return the site's own paths in this tree, which are not part of the component."""
        return self.own.below(self.path)

    def source_bytes(self) -> int:
        total = size_or_zero(self.path)
        with suppress(ComponentError):  # an estimate: the export reports the error
            for entry in walk(self.path, self.site_paths_below()):
                total += 2 * TAR_BLOCK + (entry.info.st_size if entry.is_file else 0)
        return total

    def export(self, context: ExportContext) -> Export:
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
        with listing.open("xb") as file:
            listing.chmod(0o600)
            writer = ListWriter(file)
            packed = pack_tree(
                self.path, target, context.checkpoint, lambda member, time: writer.add(listed_member(member, time)), own
            )
            writer.finish()
        left_out = [LeftOut(self.name, printable(name), place.what) for name, place in own.existing(self.path)]
        packed.warnings += [
            printable(f"{self.path / item.path} holds {item.what} of this site and was left out") for item in left_out
        ]
        part = ExportedPart(
            self.name, target, target.name, "data", permissions, listing, packed.files, packed.file_bytes
        )
        return Export([part], packed.warnings, left_out=left_out)

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

    def preflight(self, entries: Sequence[Entry], context: ApplyContext) -> list[str]:
        (entry,) = entries
        if not self._is_tree(entry):
            return []
        self.require_replaceable(entries)
        require_folders_above_own(context.staged / entry.file, self.path.resolve(), self.site_paths_below())
        return self.site_path_notes()

    def require_replaceable(self, entries: Sequence[Entry]) -> None:
        """Raise Untouched when `entries` are a tree that cannot replace the live one."""
        if any(map(self._is_tree, entries)):
            require_replaceable(self.path.resolve(), self.site_paths_below())

    def site_path_notes(self) -> list[str]:
        """Return notes on the site's own paths in this tree, which a restore leaves as they are."""
        return [
            printable(f"{self.path / name} holds {place.what} of this site and stays as it is")
            for name, place in self.site_paths_below().existing(self.path)
        ]

    def apply(self, entries: Sequence[Entry], context: ApplyContext) -> None:
        (entry,) = entries
        staged, live = context.staged / entry.file, self.path.resolve()
        if self._is_tree(entry):
            self._applied, self._notes = replace_tree(
                staged, live, context.checkpoint, entry.permissions, own=self.site_paths_below()
            )
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
        notes = [*self._notes]
        # a note, no error: the tree was compared before it took its name, so a difference has been written since
        try:
            found = first_difference(
                context.staged / entry.file, self.path, context.checkpoint, self.site_paths_below()
            )
        except ComponentError as error:
            notes.append(error.message)
        else:
            if found is not None:
                notes.append(printable(f"{self.path / found} was changed right after the restore"))
        if (draft := draft_of(self.path.resolve())).exists():
            notes.append(f"{draft}, the tree from before, could not be removed: remove it by hand")
        return notes

    def matches(self, entries: Sequence[Entry], context: ApplyContext) -> bool:
        (entry,) = entries
        if not self._is_tree(entry):
            return matches_checksum(self.path, entry.checksum_sha256)
        staged = context.staged / entry.file
        return (
            self.path.is_dir() and first_difference(staged, self.path, lambda _: None, self.site_paths_below()) is None
        )

    def was_changed(self) -> bool:
        # the tree was compared before it took its name: a difference afterwards is another process's
        return self._applied is not None

    def exists(self, part: str = "") -> bool:
        # an empty folder exists, but not one that only holds the site's own paths
        own = self.site_paths_below()
        if not (own and self.path.is_dir()):
            return self.path.exists()
        return any(entry.name not in own.ways for entry in walk(self.path, own))

    def remove(self, parts: Collection[str] = ("",)) -> None:
        live, own = self.path.resolve(), self.site_paths_below()
        if live.is_dir():
            require_replaceable(live, own)
        if own and live.is_dir():
            clear_tree(live, own)
            return
        with translate_os_errors(live, ComponentError):
            discard(live)

    def remove_drafts(self) -> None:
        discard_draft(self.path.resolve())

    def _is_tree(self, entry: Entry) -> bool:
        return entry.file == self._tree_member
