"""A PostgreSQL database of this site: dumped by pg_dump, and restored by psql in one transaction."""

import os
import re
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

from django.db import connections

from backups.archive.manifest.document import Entry
from backups.components.base import ApplyContext, Contents, Export, ExportContext, ExportedPart
from backups.errors import ComponentError, DamagedComponent, MissingComponent
from backups.instances.kinds.backupsite.database import ALIAS, DATABASE, OwnDatabase
from backups.instances.kinds.backupsite.left_out import LEFT_OUT
from backups.instances.kinds.backupsite.programs import CLIENT, Server
from backups.instances.kinds.backupsite.untrusted_dump import require_plain
from backups.lib.filesystem.atomic import create_private
from destinations.lib.formats import listed, printable

DUMP = f"{DATABASE}.sql"
# every database of a site has them; by name, because no part of `instances` imports models
SITE_TABLES = frozenset({"django_migrations", "backup_executions"})
# the last line that pg_dump writes, in all its versions; some write an empty comment or \unrestrict around it
END = b"-- PostgreSQL database dump complete"
TAIL_BYTES = 1000
ANOTHER = "Use another backup."
CREATES = re.compile(r"CREATE (?:UNLOGGED )?TABLE (.+) \($")
# the tables that Django sees: those of the schemas in the search path
TABLES = """
SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname) FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND n.nspname NOT IN ('pg_catalog', 'information_schema')
AND pg_table_is_visible(c.oid) ORDER BY 1
"""
# what the indexes of its tables need, such as pg_trgm
EXTENSIONS = """
SELECT format('CREATE EXTENSION IF NOT EXISTS %I WITH SCHEMA %I', e.extname, n.nspname) FROM pg_extension e
JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname <> 'plpgsql' ORDER BY 1
"""
# the web server, a worker or a command of this site, on any host
OTHERS = """
SELECT DISTINCT application_name, coalesce(host(client_addr), 'this machine') FROM pg_stat_activity
WHERE datname = current_database() AND usename = current_user AND pid <> pg_backend_pid()
AND backend_type = 'client backend' AND application_name <> %s ORDER BY 1, 2
"""


class OwnPostgreSQL(OwnDatabase):
    kind = "postgresql"

    def __init__(self, settings: dict[str, Any]) -> None:
        super().__init__(DATABASE)
        self.name_there = str(settings["NAME"])
        self.server = Server(settings)

    def sources(self) -> list[Path]:
        # no path of this host holds it
        return []

    def location(self) -> Path:
        return Path(self.name_there)

    def source_bytes(self) -> int:
        return int(self.server.query("SELECT pg_database_size(current_database())"))

    def has_tables(self) -> bool:
        return bool(self._tables())

    def _tables(self) -> list[str]:
        return self.server.query(TABLES).splitlines()

    def other_users(self) -> list[str]:
        # by the connection of this process, which is none of them
        with connections[ALIAS].cursor() as cursor:
            cursor.execute(OTHERS, [CLIENT])
            rows = cursor.fetchall()
        return [
            printable(f"{application or 'A program'} at {address} is connected to the database {self.name_there}.")
            for application, address in rows
        ]

    def export(self, context: ExportContext) -> Export:
        return self._dump(context, LEFT_OUT)

    def export_whole(self, context: ExportContext) -> Export:
        return self._dump(context, ())

    def _dump(self, context: ExportContext, left_out: Collection[str]) -> Export:
        tables = self._tables()
        if not tables:
            raise MissingComponent(
                f"The database {self.name_there} has no table.",
                hint="Run `manage.py migrate`, or correct DATABASE_URL.",
            )
        target = context.directory / DUMP
        with create_private(target) as file:
            # pg_dump leaves them out of a dump of tables
            for statement in self.server.query(EXTENSIONS).splitlines():
                file.write(f"{statement};\n".encode())
            file.flush()
            self.server.run(
                self.server.program("pg_dump"),
                "--no-password",
                "--no-owner",
                "--no-privileges",
                "--encoding=UTF8",
                f"--lock-wait-timeout={int(context.lock_timeout * 1000)}",
                *(f"--table={table}" for table in tables),
                *(f"--exclude-table-data=*.{table}" for table in left_out),
                output=file,
                checkpoint=context.checkpoint,
            )
        require_complete(target)
        return Export([ExportedPart(self.name, target, DUMP, "data")])

    def salvage(self, context: ExportContext, error: ComponentError) -> Export:
        raise error

    def replace(self, entries: Sequence[Entry], context: ApplyContext, statements: Sequence[str]) -> None:
        (dump,) = entries
        require_complete(context.staged / dump.file)
        if not dump.trusted:
            require_plain(context.staged / dump.file)
        self._restore(context, context.staged / dump.file, statements)

    def clear(self) -> None:
        if tables := self._tables():
            self.server.query(f"DROP TABLE {', '.join(tables)}")

    def _restore(self, context: ApplyContext, dump: Path, statements: Sequence[str]) -> None:
        before, after = context.staged / ".before.sql", context.staged / ".after.sql"
        models = {*connections[ALIAS].introspection.django_table_names(), "django_migrations"}
        dumped = tables_in(dump)
        # a table of another program stays
        replaced = [table for table in self._tables() if table in dumped or _bare(table) in models]
        first = [f"SET lock_timeout = '{int(context.lock_timeout * 1000)}ms'"]
        # without CASCADE: where such a table refers to one of these it stops here, and nothing is changed
        first += [f"DROP TABLE {', '.join(replaced)}"] if replaced else []
        last = [f"SET search_path TO {self.server.query('SHOW search_path')}", *statements]
        for path, lines in ((before, first), (after, last)):
            path.unlink(missing_ok=True)
            with create_private(path) as file:
                file.write("".join(f"{line};\n" for line in lines).encode())
        try:
            self.server.run(
                self.server.program("psql"),
                "--no-password",
                "--no-psqlrc",
                "--quiet",
                "--single-transaction",
                "--set=ON_ERROR_STOP=1",
                *(f"--file={os.fspath(path)}" for path in (before, dump, after)),
                checkpoint=context.checkpoint,
            )
        finally:
            for path in (before, after):
                path.unlink(missing_ok=True)

    def accepts(self, entries: Sequence[Entry]) -> bool:
        return [entry.file for entry in entries] == [DUMP]

    def obstacles(
        self, entries: Sequence[Entry] | None = None, contents: Contents | None = None, *, deep: bool = True
    ) -> Iterator[ComponentError]:
        return iter(())

    def apply(self, entries: Sequence[Entry], context: ApplyContext) -> None:
        self.replace(entries, context, ())

    def verify(self, entries: Sequence[Entry], context: ApplyContext) -> list[str]:
        # psql has ended without an error, and all of it is one transaction
        return []

    def matches(self, entries: Sequence[Entry], context: ApplyContext) -> bool:
        raise ComponentError(f"The database {self.name_there} cannot be compared with a dump.")

    def exists(self, part: str = "") -> bool:
        return True

    def remove(self, parts: Collection[str] = ("",)) -> None:
        self.clear()

    def remove_drafts(self) -> None:
        """Nothing is written beside a database on a server."""


def tables_in(dump: Path) -> set[str]:
    """Return the names of the tables that the dump creates, as pg_dump quotes them. Raises DamagedComponent."""
    found: set[str] = set()
    in_rows = False
    with dump.open(encoding="utf-8", errors="replace") as file:
        for line in file:
            # rows may hold any text
            if in_rows:
                in_rows = line != "\\.\n"
            elif created := CREATES.match(line):
                found.add(created[1])
            else:
                in_rows = line.startswith("COPY ") and line.endswith(" FROM stdin;\n")
    if in_rows:
        raise DamagedComponent(f"{dump.name} ends in the middle of the rows of a table.", hint=ANOTHER)
    return found


def require_site(dump: Path) -> None:
    """Raise DamagedComponent unless the dump is whole and has the tables of a site."""
    require_complete(dump)
    missing = SITE_TABLES - {_bare(table) for table in tables_in(dump)}
    if missing:
        raise DamagedComponent(f"{dump.name} lacks {listed(sorted(missing))}.", hint=ANOTHER)


def _bare(table: str) -> str:
    """Return the name of a table without its schema and quotation marks."""
    return table.rpartition(".")[2].strip('"')


def require_complete(dump: Path) -> None:
    """Raise DamagedComponent for a dump without the line that pg_dump writes last."""
    with dump.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - TAIL_BYTES))
        if END not in file.read():
            raise DamagedComponent(f"{dump.name} ends before the end of the dump.", hint=ANOTHER)
