"""The database of this site as a component: exported without what is left out, and replaced as a whole."""

import sqlite3
from abc import abstractmethod
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from django.db import connections

from backups.archive.manifest.document import Entry
from backups.archive.manifest.names import quoted
from backups.components import Component, sqlite
from backups.components.base import ApplyContext, Export, ExportContext
from backups.components.sqlite.component import SQLiteComponent
from backups.errors import ComponentError
from backups.instances.kinds.backupsite.left_out import LEFT_OUT
from backups.instances.process_scan import ProcessFilter, processes
from backups.lib.site_paths import database_file
from destinations.lib.formats import printable

DATABASE = "database"
ALIAS = "default"
Checkpoint = Callable[[int], None]


class OwnDatabase(Component):
    """What a restore of this site does with its database."""

    @abstractmethod
    def has_tables(self) -> bool:
        """Return whether there is a database with at least one table. Raises ComponentError."""

    @abstractmethod
    def other_users(self) -> list[str]:
        """Return a sentence for each other process that has it open, as far as this host shows them."""

    @abstractmethod
    def export_whole(self, context: ExportContext) -> Export:
        """Export it with every row, for the state before a restore. Raises ComponentError."""

    @abstractmethod
    def replace(self, entries: Sequence[Entry], context: ApplyContext, statements: Sequence[str]) -> None:
        """Replace it by `entries` in one transaction, and run the SQL `statements` in that. Raises ComponentError."""

    @abstractmethod
    def clear(self) -> None:
        """Bring back the state without any table. Raises ComponentError."""


class OwnSQLite(OwnDatabase, SQLiteComponent):
    def __init__(self, path: Path) -> None:
        SQLiteComponent.__init__(self, DATABASE, path, member=f"{DATABASE}.sqlite3")

    def databases(self) -> list[Path]:
        # every process of this site has it open
        return []

    def has_tables(self) -> bool:
        if not self.path.exists():
            return False
        try:
            with sqlite.connected(self.path) as connection:
                return bool(connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0])
        except sqlite3.Error:
            # whatever it is, it is kept
            return True

    def other_users(self) -> list[str]:
        # a web server has no heartbeat; it would go on with the old keys in its memory
        if not self.live.exists():
            return []
        info = self.live.stat()
        interest = ProcessFilter(frozenset(), frozenset({self.live.name}), frozenset(), frozenset())
        return [
            printable(f"The {process} has {self.live} open.")
            for process in processes(interest)
            if any(file.identity == (info.st_dev, info.st_ino) for file in process.files)
        ]

    def export(self, context: ExportContext) -> Export:
        export = super().export(context)
        target = context.directory / self.member

        def clean(connection: sqlite3.Connection) -> None:
            _trust(connection)
            found = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
            for table in LEFT_OUT:
                if table in found:
                    connection.execute(f"DELETE FROM {sqlite.quoted(table)}")
            # deleted rows, of earlier sessions too, stay in the file until then
            connection.execute("VACUUM")

        try:
            sqlite.run_with_deadline(
                lambda: closing(sqlite.opened(target, mode="rw", attached=1)),
                clean,
                seconds=sqlite.time_limit(target),
                checkpoint=context.checkpoint,
            )
        except sqlite3.Error as error:
            raise sqlite.component_error(error, target, context.lock_timeout, copy=target) from error
        return export

    def export_whole(self, context: ExportContext) -> Export:
        try:
            return SQLiteComponent.export(self, context)
        except ComponentError as error:
            (context.directory / self.member).unlink(missing_ok=True)
            return self.salvage(context, error)

    def replace(self, entries: Sequence[Entry], context: ApplyContext, statements: Sequence[str]) -> None:
        main, *_ = entries
        if statements:
            staged = context.staged / main.file
            with closing(sqlite.opened(staged, mode="rw")) as connection:
                _trust(connection)
                if not main.trusted:
                    _require_no_code(connection)
                connection.execute("BEGIN")
                for statement in statements:
                    connection.execute(statement)
                connection.execute("COMMIT")
        self.apply(entries, context)

    def clear(self) -> None:
        self.remove()


def _require_no_code(connection: sqlite3.Connection) -> None:
    """Raise ComponentError for triggers and views, which the database of no site has: they would run in this one."""
    found = connection.execute("SELECT name FROM sqlite_schema WHERE type IN ('trigger', 'view')").fetchone()
    if found:
        raise ComponentError(
            f"The database in the archive, which no trusted key has signed, has a trigger or view: {quoted(found[0])}.",
            hint="Put the public key of the recovery kit into BACKUP_TRUSTED_KEYS, or use another backup.",
        )


def _trust(connection: sqlite3.Connection) -> None:
    """Allow what the schema of this site has: its checks call JSON functions, and its rows may be large."""
    connection.execute("PRAGMA trusted_schema=ON")
    sqlite.limit_values(connection, sqlite.STORED_BYTES)


def unsupported(settings: dict[str, Any]) -> ComponentError:
    return ComponentError(
        f"The database of this site ({settings['ENGINE']}) can be backed up neither as a file nor by pg_dump.",
        hint="Use SQLite in a file, or PostgreSQL.",
    )


def sqlite_path() -> Path | None:
    """Return the file of the site's database; None where it is no SQLite file."""
    return database_file(connections[ALIAS].settings_dict)
