"""A SQLite database, exported and restored through the online backup API while its service runs."""

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from backups.archive.manifest.document import Entry
from backups.components import sqlite
from backups.components.base import ApplyContext, Component, Contents, Export, ExportContext, ExportedPart, SpaceNeeded
from backups.components.sqlite.restore import SIDE_FILES, restore_into
from backups.components.sqlite.schema_comparison import schema_notes
from backups.components.sqlite.verify import FileState, file_state, is_same, verify_restored
from backups.errors import ComponentError
from backups.lib.filesystem.atomic import discard_draft, replace_file, touched, translate_os_errors
from backups.lib.filesystem.copy import copy_stable, matches_checksum
from backups.lib.filesystem.ownership import permissions_of
from backups.lib.filesystem.writable import file_obstacles
from backups.lib.paths import size_or_zero, stat_path


class SQLiteComponent(Component):
    kind = "sqlite"

    def __init__(
        self, name: str, path: Path, *, member: str, optional: bool = False, made_at_first_use: bool = False
    ) -> None:
        super().__init__(name, optional=optional)
        self.made_at_first_use = made_at_first_use
        self.path = path
        self.member = member
        self._applied_state: FileState | None = None
        self._notes: list[str] = []

    @property
    def live(self) -> Path:
        # SQLite keeps its logs beside the file itself, not beside a link to it
        return self.path.resolve()

    def sources(self) -> list[Path]:
        return [self.path]

    def databases(self) -> list[Path]:
        return [self.path]

    def source_bytes(self) -> int:
        return size_or_zero(self.path) + size_or_zero(self._beside("-wal"))

    def _beside(self, suffix: str) -> Path:
        live = self.live
        return live.with_name(live.name + suffix)

    def export(self, context: ExportContext) -> Export:
        target = context.directory / self.member
        # by path, not by descriptor: closing one releases the POSIX locks of every connection of this process
        permissions = permissions_of(stat_path(self.path), self.path)
        copied = 0

        def checkpoint(size: int) -> None:
            nonlocal copied
            context.checkpoint(size)
            copied += size
            context.written(target, copied)

        sqlite.snapshot(self.path, target, lock_timeout=context.lock_timeout, checkpoint=checkpoint)
        return Export([ExportedPart(self.name, target, self.member, "database", permissions)])

    def salvage(self, context: ExportContext, error: ComponentError) -> Export:
        """Copy the file and its logs byte by byte, as data."""
        if not self.path.exists():
            return Export(absent=[(self.name, error.message)])
        export = Export(warnings=[f"{self.name} was saved as it was found: {error.message}"])
        for suffix in ("", "-wal", "-journal"):
            source, member = self._beside(suffix), self.member + suffix
            if source.is_file():
                target = context.directory / member
                target.unlink(missing_ok=True)
                permissions = permissions_of(copy_stable(source, target, context.checkpoint), source)
                export.parts.append(ExportedPart(self.name, target, member, "data", permissions))
        return export

    def database_of(self, entry: Entry) -> Path | None:
        return None if entry.file.endswith(SIDE_FILES) else self.path

    def accepts(self, entries: Sequence[Entry]) -> bool:
        main, *side = entries
        # a salvaged database is a file of type "data" with its logs
        if main.type != "data":
            return main.type == "database" and not side
        names = [entry.file.removeprefix(main.file) for entry in side]
        return set(names) <= set(SIDE_FILES) and all(entry.type == "data" for entry in side)

    def obstacles(
        self, entries: Sequence[Entry] | None = None, contents: Contents | None = None, *, deep: bool = True
    ) -> Iterator[ComponentError]:
        yield from file_obstacles(self.path, database=not entries or entries[0].type == "database")

    def preflight(self, entries: Sequence[Entry], context: ApplyContext) -> list[str]:
        main, *_ = entries
        if main.type != "database":
            return []
        return schema_notes(context.staged / main.file, self.live, self.name)

    def space_needed(self, entries: Sequence[Entry], staged: Path) -> dict[Path, SpaceNeeded]:
        # a write-ahead log takes every new page before the file does, a rollback journal every old one
        new, old = sum(entry.size_bytes for entry in entries), self.source_bytes()
        return {self.live.parent: SpaceNeeded(max(new, old) + max(0, new - old), new - old)}

    def apply(self, entries: Sequence[Entry], context: ApplyContext) -> None:
        main, *side = entries
        staged, live = context.staged / main.file, self.live
        if main.type == "database":
            self._notes = restore_into(
                staged,
                live,
                lock_timeout=context.lock_timeout,
                checkpoint=context.checkpoint,
                permissions=main.permissions,
            )
        else:
            logs = [self._beside(suffix) for suffix in SIDE_FILES]
            self._notes = replace_file(
                staged, live, checkpoint=context.checkpoint, permissions=main.permissions, obsolete=logs
            )
            # the logs come last: beside another file SQLite would replay them into that
            for entry in side:
                with touched():
                    log = self._beside(entry.file.removeprefix(main.file))
                    self._notes += replace_file(
                        context.staged / entry.file, log, permissions=entry.permissions, neighbour=live
                    )
        self._applied_state = file_state(live)

    def verify(self, entries: Sequence[Entry], context: ApplyContext) -> list[str]:
        main, *side = entries
        if main.type == "database":
            tables, uncounted = main.tables, [item.table for item in main.not_counted]
            if tables is None:
                found = sqlite.facts(context.staged / main.file, checkpoint=context.checkpoint)
                tables, uncounted = found.tables, [item.table for item in found.uncounted]
            notes = verify_restored(
                self.live, tables, self._applied_state, lock_timeout=context.lock_timeout, uncounted=uncounted,
                checked=context.checked_copy(main), checkpoint=context.checkpoint,
            )  # fmt: skip
            return [*self._notes, *notes]
        if not self._holds_files(main, side):
            raise ComponentError(f"{self.path} is not what the restore has just written.")
        return self._notes

    def _holds_files(self, main: Entry, side: Sequence[Entry]) -> bool:
        wanted = {self._beside(entry.file.removeprefix(main.file)): entry.checksum_sha256 for entry in side}
        # -shm does not count: every process that opens the database makes it anew
        logs = [path for suffix in ("-wal", "-journal") if (path := self._beside(suffix)).exists()]
        return set(logs) <= set(wanted) and all(
            matches_checksum(path, checksum) for path, checksum in ({self.live: main.checksum_sha256} | wanted).items()
        )

    def matches(self, entries: Sequence[Entry], context: ApplyContext) -> bool:
        main, *side = entries
        if main.type != "database":
            return self._holds_files(main, side)
        if not self.exists():
            return False
        return is_same(context.staged / main.file, self.live, lock_timeout=context.lock_timeout)

    def was_changed(self) -> bool:
        return self._applied_state is not None and file_state(self.live) != self._applied_state

    def exists(self, part: str = "") -> bool:
        return self.live.exists()

    def remove_drafts(self) -> None:
        for path in (self.live, *(self._beside(suffix) for suffix in SIDE_FILES)):
            discard_draft(path)

    def remove(self, parts: Collection[str] = ("",)) -> None:
        with translate_os_errors(self.live, ComponentError):
            self.live.unlink(missing_ok=True)
            for suffix in SIDE_FILES:
                self._beside(suffix).unlink(missing_ok=True)
