"""Restoring one section of a TACACS+ configuration: its lines in the file and its active overrides."""

import json
import sqlite3
from collections.abc import Sequence
from contextlib import closing

from backups.archive.manifest.document import Entry
from backups.components.base import ApplyContext
from backups.components.sqlite.restore import untouched_error, writable
from backups.errors import ComponentError
from backups.instances.kinds.base import ServiceKind
from backups.instances.kinds.layers import Configuration, configuration_hash
from backups.instances.kinds.tacacs.archived import FILE, ArchivedServer, LiveServer
from backups.instances.kinds.tacacs.component import ConfigurationComponent
from backups.instances.kinds.tacacs.configuration import Server, read_live_text
from backups.instances.kinds.tacacs.ini import section_text, with_section
from backups.lib.filesystem.atomic import replace_file, touched
from destinations.lib.formats import is_text

COLUMNS = "section, key, value, value_type, created_at, created_by, active"


class ConfigurationSection(ConfigurationComponent):
    """Restores one section; the rest of the file and its comments do not change."""

    def __init__(self, name: str, service: ServiceKind, server: Server, section: str, *, by: str) -> None:
        super().__init__(name, server)
        self.service = service
        self.section = section
        self.by = by

    def apply(self, entries: Sequence[Entry], context: ApplyContext) -> None:
        archived = ArchivedServer(type(self.service), context.staged)
        # read again, because the service was running since the archive was staged
        live = LiveServer(self.service, self.server)
        before, after = live.merged, live.after_section(self.section, context.staged)
        if self.overrides.path.exists():
            self._apply_overrides(archived, before, after, context.lock_timeout)
        if archived.has_lowest and not self.server.config_is_url:
            with touched():
                lines = section_text(archived.text(), self.section)
                draft = archived.directory / f"{FILE}.section"
                draft.write_bytes(with_section(read_live_text(self.baseline), self.section, lines).encode())
                replace_file(draft, self.baseline.resolve())

    def preflight(self, entries: Sequence[Entry], context: ApplyContext) -> list[str]:
        return []

    def _apply_overrides(
        self,
        archived: ArchivedServer,
        before: Configuration,
        after: Configuration,
        lock_timeout: float,
    ) -> None:
        """Replace the active overrides of the section in one transaction, with an entry in the history."""
        path = self.overrides.path.resolve()
        rows = archived.override_rows(self.section)
        try:
            with closing(writable(path, lock_timeout)) as live:
                live.execute("BEGIN IMMEDIATE")
                live.execute("UPDATE config_overrides SET active = 0 WHERE section = ? AND active = 1", [self.section])
                for row in rows:
                    # bound as bytes and cast, because sqlite3 cannot bind a text that is not UTF-8
                    raw = [isinstance(value, str) and not is_text(value) for value in row]
                    places = ", ".join("CAST(? AS TEXT)" if is_raw else "?" for is_raw in raw)
                    values = [
                        str(value).encode(errors="surrogateescape") if is_raw else value
                        for value, is_raw in zip(row, raw, strict=True)
                    ]
                    live.execute(f"INSERT INTO config_overrides ({COLUMNS}) VALUES ({places}, 1)", values)
                live.execute(
                    "INSERT INTO config_history (section, key, old_value, new_value, value_type, changed_by,"
                    " change_reason, config_hash) VALUES (?, '*', ?, ?, 'json', ?,"
                    " 'section restored from a backup', ?)",
                    [
                        self.section,
                        json.dumps(before.get(self.section, {})),
                        json.dumps(after.get(self.section, {})),
                        self.by,
                        configuration_hash(after),
                    ],
                )
                live.execute("COMMIT")
        except sqlite3.Error as error:
            raise untouched_error(error, path, lock_timeout) from error

    def verify(self, entries: Sequence[Entry], context: ApplyContext) -> list[str]:
        live = LiveServer(self.service, self.server)
        if live.merged.get(self.section) != live.after_section(self.section, context.staged).get(self.section):
            raise ComponentError(f"Section [{self.section}] is not as in the backup after the restore.")
        return []
