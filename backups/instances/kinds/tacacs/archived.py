"""The configuration of a TACACS+ server in an archive, and the one after a restore of it or of parts of it."""

import sqlite3
from collections.abc import Collection
from functools import cached_property
from pathlib import Path

from backups.components import sqlite
from backups.errors import BackupError, ComponentError, DamagedComponent
from backups.instances.kinds.base import ServiceKind
from backups.instances.kinds.configuration import ArchivedConfiguration, LiveConfiguration, read_once
from backups.instances.kinds.layers import (
    SECTION,
    Configuration,
    Layers,
    merged,
    not_from_url,
    require_section,
    sections_of,
)
from backups.instances.kinds.tacacs.configuration import (
    Sections,
    Server,
    active_overrides,
    parse_configuration,
    read_live_overrides,
)
from backups.instances.kinds.tacacs.ini import section_text, with_section

FILE, OVERRIDES = "tacacs.conf", "config_overrides.db"
LAYERS = {"file": FILE, "overrides": OVERRIDES}
IN_ARCHIVE = f"The {FILE} in the archive"


class ArchivedServer(ArchivedConfiguration):
    """An archived configuration with the text of its file, from which single sections are restored."""

    def text(self) -> str:
        try:
            return (self.directory / FILE).read_bytes().decode()
        except OSError as error:
            raise ComponentError(f"{IN_ARCHIVE} cannot be read: {error.strerror}.") from error
        except UnicodeDecodeError as error:
            raise DamagedComponent(f"{IN_ARCHIVE} is not UTF-8 text.") from error

    @cached_property
    def layers(self) -> Layers:
        file = {"file": parse_configuration(self.text(), IN_ARCHIVE)} if self.has_lowest else {}
        overrides = self.overrides()
        return file if overrides is None else file | {"overrides": overrides}

    def overrides(self) -> Sections | None:
        """Return the active overrides; None if the archive does not have them. Raises DamagedComponent."""
        path = self.directory / OVERRIDES
        if not path.exists():
            return {} if "overrides" in self.absent else None
        try:
            return active_overrides(path)
        except sqlite3.Error as error:
            raise DamagedComponent(
                f"The {OVERRIDES} in the archive holds no readable overrides: {sqlite.error_text(error)}."
            ) from error

    def override_rows(self, section: str) -> list[tuple[object, ...]]:
        """Return the active rows of `section` in the table `config_overrides`, oldest first."""
        path = self.directory / OVERRIDES
        if not path.exists():
            return []
        query = (
            "SELECT section, key, value, value_type, created_at, created_by FROM config_overrides"
            " WHERE active = 1 AND section = ? ORDER BY id"
        )
        return sqlite.rows(path, query, [section], immutable=True, exact=True)


class LiveServer(LiveConfiguration):
    """A live configuration with the text of its file. `after` does not read a layer that is replaced as a whole."""

    def __init__(self, service: ServiceKind, server: Server, *, lock_timeout: float | None = None) -> None:
        super().__init__(service, lock_timeout=lock_timeout)
        self.server = server

    @read_once
    def text(self) -> str:
        return self.server.baseline_text()

    @read_once
    def overrides(self) -> Sections:
        return read_live_overrides(self.server.overrides_path(), self.lock_timeout)

    @cached_property
    def layers(self) -> Layers:
        file = parse_configuration(self.text, str(self.server.baseline_path()))
        return {"file": file, "overrides": self.overrides}

    def after(self, parts: Collection[str], directory: Path, absent: Collection[str]) -> Configuration:
        archived = ArchivedServer(type(self.service), directory, absent)
        is_url = self.server.config_is_url
        if "file" in parts and is_url:
            raise not_from_url(self.server.name, "file")
        taken = archived.overrides() if {"", "overrides"} & set(parts) else None
        overrides: Configuration = self.overrides if taken is None else taken
        takes_file = archived.has_lowest and not is_url
        if takes_file and {"", "file"} & set(parts):
            text, origin = archived.text(), IN_ARCHIVE
        else:
            text, origin = self.text, str(self.server.baseline_path())
        for section in sections_of(parts):
            require_section(section, archived.sections)
            database = self.server.overrides_path()
            if archived.override_rows(section) and not database.exists():
                raise BackupError(
                    f"Section [{section}] has overrides, and {database} does not exist.",
                    hint="Restore config.overrides too.",
                )
            if takes_file:
                text = with_section(text, section, section_text(archived.text(), section))
                origin = f"{origin}, changed,"
            others = {name: values for name, values in overrides.items() if name != section}
            values = (archived.overrides() or {}).get(section)
            overrides = others | {section: values} if values else others
        return merged({"file": parse_configuration(text, origin), "overrides": overrides}, below=self.below)

    def after_section(self, section: str, directory: Path) -> Configuration:
        return self.after([SECTION + section], directory, ())
