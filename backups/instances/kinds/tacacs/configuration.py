"""Reading the configuration of a TACACS+ server, and the database files that it names.

Active overrides (``data/config_overrides.db``) take precedence over the file, or over the cached text of the URL; below
that lie the environment of the server and its defaults.
"""

import configparser
import io
import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from backups.components import sqlite
from backups.errors import DamagedComponent, MissingComponent
from backups.instances.environment import Environment
from backups.instances.kinds.layers import Configuration, is_url
from backups.instances.kinds.tacacs.defaults import DEFAULTS
from backups.lib.paths import Root, confined, stat_path, unreadable
from destinations.lib.formats import as_text

OVERRIDES = "data/config_overrides.db"
URL_CACHE = "data/config_baseline_cache.conf"
# component: (section and key that name the database, name in the archive)
DATABASES = {
    "devices": ("devices", "database", "devices.db"),
    "users": ("auth", "local_auth_db", "local_auth.db"),
    "accounting": ("database", "accounting_db", "tacacs_accounting.db"),
    "metrics": ("database", "metrics_history_db", "metrics_history.db"),
    "audit": ("database", "audit_trail_db", "audit_trail.db"),
}
# databases that the server makes when it first writes into them, and not at its start
MADE_AT_FIRST_USE = frozenset({"metrics", "audit"})

Sections = dict[str, dict[str, str]]


@dataclass(frozen=True, slots=True)
class Server:
    """A TACACS+ server as instances.toml describes it."""

    name: str
    root: Root
    # a path on this host, or the URL that it fetches its configuration from
    config: str
    optional: frozenset[str] = frozenset()
    # paths of its databases on this host, by component, which take precedence over its configuration
    databases: Mapping[str, Path] = field(default_factory=dict)
    environment: Environment = field(default_factory=Environment)

    @property
    def config_is_url(self) -> bool:
        return is_url(self.config)

    def baseline_path(self) -> Path:
        """Return the path of the lowest layer: the file, or the service's cache of the URL."""
        return confined(self.root, URL_CACHE) if self.config_is_url else self.root.require(Path(self.config))

    def baseline_text(self) -> str:
        """Return the text of the lowest layer. Raises ComponentError."""
        path = self.baseline_path()
        try:
            return read_live_text(path)
        except MissingComponent as error:
            if not self.config_is_url:
                raise
            raise MissingComponent(
                f"{path} does not exist. The server keeps the text of its URL there once it has fetched it.",
                hint="Start the server where it reaches the URL, then back up again.",
            ) from error

    def overrides_path(self) -> Path:
        stated = self.databases.get("overrides")
        return self.root.require(stated) if stated else confined(self.root, OVERRIDES)

    def database_path(self, component: str, configuration: Configuration) -> Path:
        """Return the path of the database of `component`; relative names are relative to its working directory.

        Bytes that are not UTF-8 are lone surrogates in it, as in a path of the operating system. Raises ComponentError
        when it lies outside of the root.
        """
        if component in self.databases:
            return self.root.require(self.databases[component])
        section, key, _ = DATABASES[component]
        value = configuration.get(section, {}).get(key) or DEFAULTS[section][key]
        return confined(self.root, value, name=f"[{section}] {key}")


def parse_configuration(text: str, origin: str) -> Sections:
    """Return ``{section: {key: text}}`` of an INI text without interpolation.

    Raises DamagedComponent that names `origin` and the line.
    """
    parser = configparser.ConfigParser(interpolation=None)
    try:
        # the server accepts all three line endings; editors of Windows put a byte order mark in front
        parser.read_file(io.StringIO(text.removeprefix("\N{ZERO WIDTH NO-BREAK SPACE}"), newline=None))
    except configparser.Error as error:
        raise DamagedComponent(
            f"{origin} is not a configuration file: {_finding(error)}.", hint="Correct that line."
        ) from error
    return {section: dict(parser[section]) for section in parser.sections()}


def _finding(error: configparser.Error) -> str:
    """Return the mistake and its line."""
    # without the line's text, which may be a secret
    if isinstance(error, configparser.DuplicateSectionError):
        return f"line {error.lineno}: section [{error.section}] is defined twice"
    if isinstance(error, configparser.DuplicateOptionError):
        return f"line {error.lineno}: [{error.section}] {error.option} is defined twice"
    if isinstance(error, configparser.MissingSectionHeaderError):
        return f"line {error.lineno}: a key before the first section"
    lines = ", ".join(str(number) for number, _ in getattr(error, "errors", []))
    return f"line {lines}: neither a section nor a key with a value"


def read_live_text(path: Path) -> str:
    """Return the text of the file `path`. Raises ComponentError."""
    # with its line endings: a restore of one section must not change the others
    try:
        return path.read_bytes().decode()
    except FileNotFoundError as error:
        raise MissingComponent(f"{path} does not exist.", hint="Correct `config` in the instances file.") from error
    except OSError as error:
        raise unreadable(path, error) from error
    except UnicodeDecodeError as error:
        raise DamagedComponent(
            f"{path} is not UTF-8: byte {error.start}.", hint="Save the file in UTF-8, which the server expects."
        ) from error


def read_live_overrides(path: Path, lock_timeout: float) -> Sections:
    """Return the active overrides; empty when the database does not exist. Raises ComponentError."""
    try:
        stat_path(path)
        return active_overrides(path, lock_timeout=lock_timeout)
    except MissingComponent:
        return {}
    except sqlite3.Error as error:
        raise sqlite.component_error(error, path, lock_timeout) from error


def active_overrides(path: Path, *, lock_timeout: float = 0) -> Sections:
    """Return the active overrides in the database `path`.

    Bytes that are not UTF-8 become lone surrogates, which JSON writes as ``\\udce4``. Raises sqlite3.Error: only the
    caller knows whether `path` is a copy or the live file.
    """
    overrides: Sections = {}
    query = "SELECT section, key, value, value_type FROM config_overrides WHERE active = 1 ORDER BY id"
    for section, key, value, value_type in sqlite.rows(path, query, lock_timeout=lock_timeout, exact=True):
        # in the order of ids: the newest row of a key wins
        values = overrides.setdefault(as_text(_exact(section)), {})
        # the parser of the server lower-cases keys
        values[as_text(_exact(key)).lower()] = exported_value(_exact(value), _exact(value_type or ""))
    return overrides


def _exact(value: object) -> str:
    # a column of texts may contain bytes
    return sqlite.exact_text(value) if isinstance(value, bytes) else str(value)


def exported_value(value: str, value_type: str) -> str:
    """Return an override as the export writes it: booleans as true or false, dict and list as JSON."""
    if value_type in ("boolean", "bool"):
        return "true" if value.strip().lower() in ("true", "1", "yes", "on") else "false"
    if value_type in ("string", "integer"):
        return value
    # without a type, or of an unknown one, it is JSON as far as it can be read as such
    try:
        read = json.loads(value)
    except (ValueError, RecursionError):
        return value
    if isinstance(read, bool):
        return "true" if read else "false"
    return json.dumps(read) if isinstance(read, dict | list) else str(read)
