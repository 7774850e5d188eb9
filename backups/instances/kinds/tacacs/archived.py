"""The configuration in an unpacked archive, and what a restore of all or of parts of it leads to."""

import sqlite3
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from backups import sqlite
from backups.errors import BackupError, ComponentError, DamagedComponent
from backups.instances.kinds.tacacs import configuration as tacacs
from backups.instances.kinds.tacacs.ini import section_text, with_section
from backups.instances.parse import Instance

FILE, OVERRIDES, EXPORT = "tacacs.conf", "config_overrides.db", "config_export.json"
SECTION = "section:"


@dataclass(frozen=True, slots=True)
class ArchivedConfiguration:
    """What lies in `directory`. `without_overrides` is true when the backup says that there were none."""

    directory: Path
    without_overrides: bool = False

    @property
    def has_file(self) -> bool:
        return (self.directory / FILE).exists()

    def text(self) -> str:
        return read_text(self.directory / FILE, "the tacacs.conf in the archive")

    def overrides(self) -> tacacs.Configuration | None:
        """Return the active overrides, none where the archive does not tell. Raises DamagedComponent."""
        path = self.directory / OVERRIDES
        if not path.exists():
            return {} if self.without_overrides else None
        return _overrides(path, "the config_overrides.db in the archive")

    def override_rows(self, section: str) -> list[tuple[object, ...]]:
        """Return the active rows of `section`, as `config_overrides` keeps them, oldest first."""
        path = self.directory / OVERRIDES
        if not path.exists():
            return []
        query = (
            "SELECT section, key, value, value_type, created_at, created_by FROM config_overrides"
            " WHERE active = 1 AND section = ? ORDER BY id"
        )
        return sqlite.rows(path, query, [section], immutable=True, exact=True)

    def merged(self) -> tacacs.Configuration:
        """Return file and overrides as one; the export where the file came from a URL. Raises ComponentError."""
        if self.has_file:
            return tacacs.merged(_parsed(self.text(), "the tacacs.conf in the archive"), self.overrides() or {})
        path = self.directory / EXPORT
        if not path.exists():
            raise ComponentError("the archive holds no configuration", hint="leave config out of the restore")
        return tacacs.parse_export(path.read_bytes(), f"the {EXPORT} in the archive")


def resulting(instance: Instance, parts: Collection[str], archived: ArchivedConfiguration) -> tacacs.Configuration:
    """Return the merged configuration of `instance` after a restore of `parts`: "" is all of it, else "file",
    "overrides" or "section:NAME".

    Raises BackupError for a part that cannot be restored here, ComponentError for text that cannot be read.
    """
    whole = "" in parts
    if "file" in parts and instance.config_is_url:
        raise not_from_url(instance)
    taken = archived.overrides() if whole or "overrides" in parts else None
    overrides = live_overrides(instance) if taken is None else taken
    takes_file = archived.has_file and not instance.config_is_url
    if takes_file and (whole or "file" in parts):
        text, origin = archived.text(), "the tacacs.conf in the archive"
    else:
        text, origin = live_text(instance), str(tacacs.baseline_path(instance))
    for section in sections_of(parts):
        _require_restorable(section, instance, archived)
        if takes_file:
            text, origin = with_section(text, section, section_text(archived.text(), section)), f"{origin}, changed,"
        overrides = _with_overrides(overrides, section, archived.overrides())
    return tacacs.merged(_parsed(text, origin), overrides)


def not_from_url(instance: Instance) -> BackupError:
    return BackupError(
        f"the configuration of {instance.name} comes from a URL, so config.file cannot be restored",
        hint="change it where it is served",
    )


def sections_of(parts: Collection[str]) -> list[str]:
    return [part.removeprefix(SECTION) for part in parts if part.startswith(SECTION)]


def require_section(section: str, known: Collection[str]) -> None:
    if section not in known:
        raise BackupError(f"the archive has no section [{section}]", hint=f"it has: {', '.join(known)}")


def _require_restorable(section: str, instance: Instance, archived: ArchivedConfiguration) -> None:
    require_section(section, archived.merged())
    if archived.override_rows(section) and not tacacs.overrides_path(instance).exists():
        raise BackupError(
            f"section [{section}] has overrides, and {tacacs.overrides_path(instance)} does not exist",
            hint="restore config.overrides too",
        )


def _with_overrides(
    overrides: tacacs.Configuration, section: str, archived: tacacs.Configuration | None
) -> tacacs.Configuration:
    others = {name: values for name, values in overrides.items() if name != section}
    values = (archived or {}).get(section)
    return others | {section: values} if values else others


def live_text(instance: Instance) -> str:
    path = tacacs.baseline_path(instance)
    return read_text(path, str(path))


def live_overrides(instance: Instance) -> tacacs.Configuration:
    path = tacacs.overrides_path(instance)
    return _overrides(path, str(path)) if path.exists() else {}


def read_text(path: Path, origin: str) -> str:
    """Return the text with its line ends as they are: what is not restored must not change."""
    try:
        return path.read_bytes().decode()
    except OSError as error:
        raise ComponentError(f"{origin} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise DamagedComponent(f"{origin} is not UTF-8 text") from error


def _overrides(path: Path, origin: str) -> tacacs.Configuration:
    try:
        return tacacs.active_overrides(path)
    except sqlite3.Error as error:
        raise DamagedComponent(f"{origin} holds no readable overrides: {sqlite.said(error)}") from error


def _parsed(text: str, origin: str) -> tacacs.Configuration:
    return tacacs.parse_configuration(text, Path(origin))
