"""A file, or a tree of files kept as one nested tar: ``tar xpf`` of the member gives the tree back.

A nested tar keeps names, modes, owners, times and links of the tree, and the archive around it stays flat.
"""

import os
import stat
from collections.abc import Collection, Sequence
from contextlib import suppress
from pathlib import Path

from backups.archive.manifest.document import Entry, LeftOut
from backups.archive.manifest.permissions import Permissions
from backups.components.base import ApplyContext, Component, Export, ExportContext, ExportedPart
from backups.components.files.compare import first_difference
from backups.components.files.listing import ListWriter, listed_member
from backups.components.files.pack import TAR_BLOCK, pack_tree
from backups.components.files.replace import clear_tree, replace_tree, require_replaceable, require_ways
from backups.errors import ComponentError, Untouched
from backups.lib.atomic import discard, discard_draft, draft_of, refusing, replace_file
from backups.lib.copy import copy_stable, same_content
from backups.lib.ownership import permissions_of
from backups.lib.paths import bytes_of, look_at
from backups.lib.site_paths import NO_PLACES, OwnPlaces, PlacesBelow
from backups.lib.walk import walk
from destinations.lib.formats import printable

STOP_IT = "Stop the service meanwhile, with hooks.before_restore."


class FilesComponent(Component):
    kind = "files"

    def __init__(
        self, name: str, path: Path, *, member: str, optional: bool = False, own: OwnPlaces = NO_PLACES
    ) -> None:
        super().__init__(name, optional=optional)
        self.path = path
        self.member = member
        self.own = own
        self._placed: os.stat_result | None = None
        self._created: list[str] = []

    def sources(self) -> list[Path]:
        return [self.path]

    def own_below(self) -> PlacesBelow:
        """Return the places of the site in this tree: they are no part of the component."""
        return self.own.below(self.path)

    def source_bytes(self) -> int:
        total = bytes_of(self.path)
        with suppress(ComponentError):  # an estimate: the export says what is wrong
            for entry in walk(self.path, self.own_below()):
                total += 2 * TAR_BLOCK + (entry.info.st_size if entry.is_file else 0)
        return total

    def export(self, context: ExportContext) -> Export:
        info = look_at(self.path)
        if stat.S_ISDIR(info.st_mode):
            return self._export_tree(context, permissions_of(info, self.path))
        member = self._file_member
        info = copy_stable(self.path, context.directory / member, context.checkpoint)
        permissions = permissions_of(info, self.path)
        return Export([ExportedPart(self.name, context.directory / member, member, "data", permissions)])

    def _export_tree(self, context: ExportContext, permissions: Permissions) -> Export:
        """Pack the tree, and write the list of its entries beside, which becomes no member of the archive."""
        target, own = context.directory / self._tree_member, self.own_below()
        listing = context.directory / f".{self._tree_member}.list"
        with listing.open("xb") as file:
            listing.chmod(0o600)
            writer = ListWriter(file)
            packed = pack_tree(
                self.path, target, context.checkpoint, lambda member, time: writer.add(listed_member(member, time)), own
            )
            writer.finish()
        left_out = self._left_out(own)
        packed.warnings += [
            printable(f"{self.path / item.path} holds {item.what} of this site and was left out") for item in left_out
        ]
        part = ExportedPart(
            self.name, target, target.name, "data", permissions, listing, packed.files, packed.file_bytes
        )
        return Export([part], packed.warnings, left_out=left_out)

    def _left_out(self, own: PlacesBelow) -> list[LeftOut]:
        return [LeftOut(self.name, printable(name), place.what) for name, place in own.existing(self.path)]

    @property
    def _tree_member(self) -> str:
        return f"{self.name}.tar"

    @property
    def _file_member(self) -> str:
        """A single file that is a tar itself must not be taken for a tree."""
        return f"{self.name}.file.tar" if self.member == self._tree_member else self.member

    def salvage(self, context: ExportContext, error: ComponentError) -> Export:
        """Only what is missing can be passed over: a tree that cannot be read could not be put back either."""
        if self.path.exists():
            raise error
        return Export(absent=[(self.name, error.message)])

    def accepts(self, entries: Sequence[Entry]) -> bool:
        return len(entries) == 1 and entries[0].type == "data"

    def foresee(self, entries: Sequence[Entry], context: ApplyContext) -> list[str]:
        (entry,) = entries
        if not self._is_tree(entry):
            return []
        self.require_replaceable(entries)
        require_ways(context.staged / entry.file, self.path.resolve(), self.own_below())
        return self.staying()

    def require_replaceable(self, entries: Sequence[Entry]) -> None:
        """Raise Untouched when `entries` are a tree that could not take the place of the live one."""
        if any(map(self._is_tree, entries)):
            require_replaceable(self.path.resolve(), self.own_below())

    def staying(self) -> list[str]:
        """Say what of the site lies in this tree and stays as it is when the tree is restored."""
        return [
            printable(f"{self.path / name} holds {place.what} of this site and stays as it is")
            for name, place in self.own_below().existing(self.path)
        ]

    def apply(self, entries: Sequence[Entry], context: ApplyContext) -> None:
        (entry,) = entries
        staged, live = context.staged / entry.file, self.path.resolve()
        if self._is_tree(entry):
            self._placed, self._created = replace_tree(
                staged, live, context.checkpoint, entry.permissions, own=self.own_below()
            )
        elif live.is_dir():
            raise Untouched(
                f"{self.path} is a folder, the backup holds a file.", hint="Move the folder away, then restore again."
            )
        else:
            self._created = replace_file(staged, live, checkpoint=context.checkpoint, permissions=entry.permissions)

    def prove(self, entries: Sequence[Entry], context: ApplyContext) -> list[str]:
        (entry,) = entries
        if self._is_tree(entry):
            return [*self._created, *self._prove_tree(entry, context), *self._left_over()]
        if not same_content(self.path, entry.checksum_sha256):
            raise ComponentError(f"{self.path} is not what was written a moment ago.", hint=STOP_IT)
        return self._created

    def _prove_tree(self, entry: Entry, context: ApplyContext) -> list[str]:
        """The tree was proven before it took its name: what differs now has been written since."""
        if self._placed is None or not os.path.samestat(self._placed, look_at(self.path)):
            raise ComponentError(f"{self.path} is not the folder that was put there a moment ago.", hint=STOP_IT)
        try:
            found = first_difference(context.staged / entry.file, self.path, context.checkpoint, self.own_below())
        except ComponentError as error:
            return [error.message]
        return [] if found is None else [printable(f"{self.path / found} was changed right after the restore")]

    def _left_over(self) -> list[str]:
        draft = draft_of(self.path.resolve())
        return [f"{draft}, the tree from before, could not be removed: remove it by hand"] if draft.exists() else []

    def is_as_in(self, entries: Sequence[Entry], context: ApplyContext) -> bool:
        (entry,) = entries
        if not self._is_tree(entry):
            return same_content(self.path, entry.checksum_sha256)
        staged = context.staged / entry.file
        return self.path.is_dir() and first_difference(staged, self.path, lambda _: None, self.own_below()) is None

    def was_changed(self) -> bool:
        """A tree is proven before it takes its name, so that what differs afterwards is the work of others."""
        return self._placed is not None

    def exists(self, part: str = "") -> bool:
        """True also for an empty folder, but not for one that is there for places of the site alone."""
        own = self.own_below()
        if not (own and self.path.is_dir()):
            return self.path.exists()
        return any(entry.name not in own.ways for entry in walk(self.path, own))

    def remove(self, parts: Collection[str] = ("",)) -> None:
        live, own = self.path.resolve(), self.own_below()
        if live.is_dir():
            require_replaceable(live, own)
        if own and live.is_dir():
            clear_tree(live, own)
            return
        with refusing(live, ComponentError):
            discard(live)

    def tidy(self) -> None:
        discard_draft(self.path.resolve())

    def _is_tree(self, entry: Entry) -> bool:
        return entry.file == self._tree_member
