"""The TACACS+ server as an instance: where its configuration comes from, and which files that configuration names.

Precedence, highest first: active overrides (``data/config_overrides.db``), then the file or the cached text of the URL.
"""

import configparser
import hashlib
import json
import sqlite3
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from backups import sqlite
from backups.errors import ComponentError, DamagedComponent, MissingComponent
from backups.formats import as_text, is_text
from backups.instances.parse import Instance
from backups.sources import confined, look_at, unreadable

Configuration = dict[str, dict[str, str]]


@dataclass(frozen=True, slots=True)
class Layers:
    """A configuration in its two parts: the text of the file or URL, and the active overrides over it."""

    file: Configuration
    overrides: Configuration

    @property
    def merged(self) -> Configuration:
        return merged(self.file, self.overrides)


OVERRIDES = "data/config_overrides.db"
URL_CACHE = "data/config_baseline_cache.conf"
# component: (section and key that name the database, the server's default, name in the archive)
DATABASES = {
    "devices": ("devices", "database", "data/devices.db", "devices.db"),
    "users": ("auth", "local_auth_db", "data/local_auth.db", "local_auth.db"),
    "accounting": ("database", "accounting_db", "data/tacacs_accounting.db", "tacacs_accounting.db"),
    "metrics": ("database", "metrics_history_db", "data/metrics_history.db", "metrics_history.db"),
    "audit": ("database", "audit_trail_db", "data/audit_trail.db", "audit_trail.db"),
}


def baseline_path(instance: Instance) -> Path:
    """Return the text that overrides are laid over: the file, or the service's cache of the URL."""
    return confined(instance.root, URL_CACHE if instance.config_is_url else instance.config)


def overrides_path(instance: Instance) -> Path:
    return confined(instance.root, instance.databases.get("overrides", Path(OVERRIDES)))


def database_path(instance: Instance, component: str, configuration: Configuration) -> Path:
    """Return where `component` keeps its database, relative names being relative to the root.

    The instances file has the first word. Raises ComponentError when a file outside the root is named.
    """
    if component in instance.databases:
        return confined(instance.root, instance.databases[component])
    section, key, default, _ = DATABASES[component]
    value = configuration.get(section, {}).get(key) or default
    if not is_text(value):
        raise ComponentError(f"[{section}] {key} is not UTF-8 text", hint="correct it in the service's configuration")
    return confined(instance.root, value, name=f"[{section}] {key}")


def parse_configuration(text: str, origin: Path) -> Configuration:
    """Return ``{section: {key: text}}`` of an INI text without interpolation.

    Raises ComponentError that names `origin` and the line.
    """
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(text)
    except configparser.Error as error:
        raise DamagedComponent(
            f"{origin} is not a configuration file: {_finding(error)}", hint="correct that line"
        ) from error
    return {section: dict(parser[section]) for section in parser.sections()}


def _finding(error: configparser.Error) -> str:
    """Say what is wrong and in which line, but not what stands there: it may be a secret."""
    if isinstance(error, configparser.DuplicateSectionError):
        return f"line {error.lineno}: section [{error.section}] stands there twice"
    if isinstance(error, configparser.DuplicateOptionError):
        return f"line {error.lineno}: [{error.section}] {error.option} stands there twice"
    if isinstance(error, configparser.MissingSectionHeaderError):
        return f"line {error.lineno}: a key before the first section"
    lines = ", ".join(str(number) for number, _ in getattr(error, "errors", []))
    return f"line {lines}: neither a section nor a key with a value"


def read_configuration(path: Path) -> Configuration:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise MissingComponent(f"{path} does not exist", hint="correct `config` in the instances file") from error
    except OSError as error:
        raise unreadable(path, error) from error
    except UnicodeDecodeError as error:
        raise DamagedComponent(
            f"{path} is not UTF-8: byte {error.start}", hint="save the file in UTF-8, as the server wants it"
        ) from error
    return parse_configuration(text, path)


def active_overrides(path: Path, *, lock_timeout: float = 0) -> Configuration:
    """Return the overrides that count; the newest row of a key wins.

    A value that is no UTF-8 carries its bytes as lone surrogates, which JSON writes as ``\\udce4``: see `undecodable`.
    Raises sqlite3.Error: the caller knows whether `path` is a copy or the live file.
    """
    overrides: Configuration = {}
    query = "SELECT section, key, value, value_type FROM config_overrides WHERE active = 1 ORDER BY id"
    for section, key, value, value_type in sqlite.rows(path, query, lock_timeout=lock_timeout, exact=True):
        values = overrides.setdefault(as_text(_exact(section)), {})
        values[as_text(_exact(key))] = exported_value(_exact(value), _exact(value_type or "string"))
    return overrides


def _exact(value: object) -> str:
    """SQLite keeps bytes in a column of texts where a program wrote bytes."""
    return sqlite.exact_text(value) if isinstance(value, bytes) else str(value)


def undecodable(configuration: Configuration) -> list[str]:
    """Return ``[section] key`` of each value that carries bytes that are no UTF-8."""
    return [
        f"[{section}] {key}"
        for section, values in configuration.items()
        for key, value in values.items()
        if not is_text(value)
    ]


def exported_value(value: str, value_type: str) -> str:
    """Return an override as the export writes it: booleans as true or false, dict and list as JSON."""
    if value_type in ("boolean", "bool"):
        return "true" if value.strip().lower() in ("true", "1", "yes", "on") else "false"
    if value_type in ("json", "dict", "list"):
        try:
            return json.dumps(json.loads(value))
        except json.JSONDecodeError:
            return value
    return value


def merged(baseline: Configuration, overrides: Configuration) -> Configuration:
    result = {section: dict(values) for section, values in baseline.items()}
    for section, values in overrides.items():
        result.setdefault(section, {}).update(values)
    return result


def live_configuration(instance: Instance) -> Configuration:
    """Return the merged configuration as the service sees it now.

    Raises ComponentError when the text or the overrides cannot be read.
    """
    return live_layers(instance).merged


def live_layers(instance: Instance, *, lock_timeout: float | None = None) -> Layers:
    """Return file and overrides as they are now; `lock_timeout` is BACKUP_LOCK_TIMEOUT if not given (seconds).

    Raises ComponentError.
    """
    patience = settings.BACKUP_LOCK_TIMEOUT if lock_timeout is None else lock_timeout
    return Layers(read_configuration(baseline_path(instance)), _live_overrides(overrides_path(instance), patience))


def _live_overrides(path: Path, lock_timeout: float) -> Configuration:
    try:
        look_at(path)
        return active_overrides(path, lock_timeout=lock_timeout)
    except MissingComponent:
        return {}
    except sqlite3.Error as error:
        raise sqlite.explained(error, path, lock_timeout) from error


def configuration_hash(configuration: Configuration) -> str:
    """Return the SHA-256 that the server itself records: of the JSON with sorted keys and no spaces."""
    canonical = json.dumps(configuration, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def exported_json(configuration: Configuration) -> bytes:
    return json.dumps(configuration, indent=2).encode()


def parse_export(data: bytes, origin: str) -> Configuration:
    """Read what `exported_json` or the server wrote. Raises DamagedComponent that names `origin`."""
    try:
        sections = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise DamagedComponent(f"{origin} is not valid JSON") from error
    if not isinstance(sections, dict) or not all(isinstance(values, dict) for values in sections.values()):
        raise DamagedComponent(f"{origin} holds no sections with keys")
    return {
        as_text(section): {
            as_text(key): value if isinstance(value, str) else json.dumps(value) for key, value in values.items()
        }
        for section, values in sections.items()
    }
