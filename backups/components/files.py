"""A file, or a tree of files kept as one nested tar: ``tar xpf`` of the member gives the tree back.

A nested tar keeps names, modes, owners, times and links of the tree, and the archive around it stays flat.
"""

import os
import stat
from collections.abc import Collection, Sequence
from contextlib import suppress
from pathlib import Path

from backups.archive.manifest import Entry
from backups.archive.permissions import Permissions
from backups.components.base import ApplyContext, Component, Export, ExportContext, ExportedPart
from backups.components.comparing import first_difference
from backups.components.copying import copy_stable, same_content
from backups.components.nested_tar import TAR_BLOCK, pack_tree
from backups.components.tree import replace_tree
from backups.components.tree_list import ListWriter, listed_member
from backups.components.walking import walk
from backups.errors import ComponentError, Untouched
from backups.formats import printable
from backups.ownership import permissions_of
from backups.replacing import discard, discard_draft, draft_of, refusing, replace_file
from backups.sources import bytes_of, look_at

STOP_IT = "stop the service meanwhile, with hooks.before_restore"


class FilesComponent(Component):
    kind = "files"

    def __init__(self, name: str, path: Path, *, member: str, optional: bool = False) -> None:
        super().__init__(name, optional=optional)
        self.path = path
        self.member = member
        self._placed: os.stat_result | None = None
        self._created: list[str] = []

    def sources(self) -> list[Path]:
        return [self.path]

    def source_bytes(self) -> int:
        total = bytes_of(self.path)
        with suppress(ComponentError):  # an estimate: the export says what is wrong
            for entry in walk(self.path):
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
        packed = context.directory / self._tree_member
        listing = context.directory / f".{self._tree_member}.list"
        with listing.open("xb") as file:
            listing.chmod(0o600)
            writer = ListWriter(file)
            warnings = pack_tree(
                self.path, packed, context.checkpoint, lambda member, time: writer.add(listed_member(member, time))
            )
            writer.finish()
        return Export([ExportedPart(self.name, packed, self._tree_member, "data", permissions, listing)], warnings)

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

    def apply(self, entries: Sequence[Entry], context: ApplyContext) -> None:
        (entry,) = entries
        staged, live = context.staged / entry.file, self.path.resolve()
        if self._is_tree(entry):
            self._placed, self._created = replace_tree(staged, live, context.checkpoint, entry.permissions)
        elif live.is_dir():
            raise Untouched(
                f"{self.path} is a folder, the backup holds a file", hint="move the folder away, then restore again"
            )
        else:
            self._created = replace_file(staged, live, checkpoint=context.checkpoint, permissions=entry.permissions)

    def prove(self, entries: Sequence[Entry], context: ApplyContext) -> list[str]:
        (entry,) = entries
        if self._is_tree(entry):
            return [*self._created, *self._prove_tree(entry, context), *self._left_over()]
        if not same_content(self.path, entry.checksum_sha256):
            raise ComponentError(f"{self.path} is not what was written a moment ago", hint=STOP_IT)
        return self._created

    def _prove_tree(self, entry: Entry, context: ApplyContext) -> list[str]:
        """The tree was proven before it took its name: what differs now has been written since."""
        if self._placed is None or not os.path.samestat(self._placed, look_at(self.path)):
            raise ComponentError(f"{self.path} is not the folder that was put there a moment ago", hint=STOP_IT)
        try:
            found = first_difference(context.staged / entry.file, self.path, context.checkpoint)
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
        return self.path.is_dir() and first_difference(context.staged / entry.file, self.path, lambda _: None) is None

    def was_changed(self) -> bool:
        """A tree is proven before it takes its name, so that what differs afterwards is the work of others."""
        return self._placed is not None

    def exists(self, part: str = "") -> bool:
        return self.path.exists()

    def remove(self, parts: Collection[str] = ("",)) -> None:
        live = self.path.resolve()
        with refusing(live, ComponentError):
            discard(live)

    def tidy(self) -> None:
        discard_draft(self.path.resolve())

    def _is_tree(self, entry: Entry) -> bool:
        return entry.file == self._tree_member
