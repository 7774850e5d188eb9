"""The TACACS+ server as a kind of service: its own configuration names its components' files."""

import sqlite3
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, ClassVar, Self

from backups.archive.manifest.document import Manifest
from backups.archive.manifest.names import EXPORT_NAME
from backups.components import Component, sqlite
from backups.components.sqlite.component import SQLiteComponent
from backups.errors import MissingComponent
from backups.instances.environment import KEYS as ENVIRONMENT_KEYS
from backups.instances.environment import parse_environment
from backups.instances.fields import Mistake, require_known, text, within
from backups.instances.kinds.base import DatabaseSource, ServiceKind
from backups.instances.kinds.configuration import ArchivedConfiguration, LiveConfiguration
from backups.instances.kinds.layers import CONFIG, Configuration, Merged, is_url
from backups.instances.kinds.tacacs import rules
from backups.instances.kinds.tacacs.archived import FILE, LAYERS, OVERRIDES, ArchivedServer, LiveServer
from backups.instances.kinds.tacacs.component import ConfigurationComponent
from backups.instances.kinds.tacacs.configuration import DATABASES, MADE_AT_FIRST_USE, Server
from backups.instances.kinds.tacacs.defaults import DEFAULTS, VARIABLES
from backups.instances.kinds.tacacs.ini import plain_value
from backups.instances.kinds.tacacs.section import ConfigurationSection
from backups.lib.paths import Root, stat_path
from backups.lib.site_paths import SitePaths
from destinations.lib.formats import as_text
from destinations.lib.secret_names import is_secret_name

OPTIONAL = ("overrides", *DATABASES)
INSTANCE_ID = "SELECT value FROM system_metadata WHERE key = 'instance_id' LIMIT 1"


class TacacsServer(ServiceKind):
    kind = "tacacs"
    label = "TACACS+ server"
    keys: ClassVar[frozenset[str]] = frozenset({"config", "optional", "databases"}) | ENVIRONMENT_KEYS
    default_state = "data"
    layers: ClassVar[Mapping[str, str]] = LAYERS
    defaults = DEFAULTS
    variables: ClassVar[Mapping[str, tuple[str, str]]] = VARIABLES
    divisible = True
    counts_weekdays_from_monday = True
    foreign_components: ClassVar[Mapping[str, str]] = {
        FILE: CONFIG,
        OVERRIDES: CONFIG,
        EXPORT_NAME: CONFIG,
        **{member: component for component, (*_, member) in DATABASES.items()},
    }

    def __init__(self, server: Server) -> None:
        super().__init__(server.name, server.root)
        self.server = server
        self.config = server.config
        self.environment = server.environment

    @classmethod
    def parse(cls, name: str, root: Root, table: Mapping[str, Any]) -> Self:
        config = text(table, "config")
        if not is_url(config):
            config = str(within(root, config, "config"))
        optional = table.get("optional", [])
        if not isinstance(optional, list) or not all(isinstance(component, str) for component in optional):
            raise Mistake("optional", "The value must be a list of component names.")
        for number, component in enumerate(optional, 1):
            if component not in OPTIONAL:
                raise Mistake("optional", f"Component {number} is unknown.", f"Use some of {', '.join(OPTIONAL)}.")
        databases = table.get("databases", {})
        if not isinstance(databases, dict):
            raise Mistake("databases", "The databases are a table, such as [hq.databases].")
        require_known(databases, OPTIONAL, "databases.")
        paths = {
            component: within(root, text(databases, component, prefix="databases."), f"databases.{component}")
            for component in databases
        }
        return cls(Server(name, root, config, frozenset(optional), paths, parse_environment(table)))

    @property
    def component_names(self) -> tuple[str, ...]:
        return (CONFIG, *DATABASES)

    def components(self, configuration: Configuration, own: SitePaths) -> list[Component]:
        paths = {name: self.server.database_path(name, configuration) for name in DATABASES}
        databases = [self._database(name, path) for name, path in paths.items()]
        return [ConfigurationComponent(CONFIG, self.server), *databases]

    def component_at(self, name: str, path: Path, own: SitePaths) -> Component | None:
        if name == CONFIG:
            return ConfigurationComponent(CONFIG, self.server)
        return self._database(name, path) if name in DATABASES else None

    def _database(self, name: str, path: Path) -> Component:
        *_, member = DATABASES[name]
        optional, first_use = name in self.server.optional, name in MADE_AT_FIRST_USE
        return SQLiteComponent(name, path, member=member, optional=optional, made_at_first_use=first_use)

    def section(self, name: str, *, by: str) -> Component:
        return ConfigurationSection(CONFIG, self, self.server, name, by=by)

    def database_source(self, component: str, configuration: Configuration) -> DatabaseSource:
        setting = "overrides" if component == CONFIG else component
        stated = setting in self.server.databases
        if component not in DATABASES:
            return DatabaseSource(OVERRIDES, setting=f"databases.{setting}", stated=stated)
        section, key, member = DATABASES[component]
        # a key in a layer takes precedence over the environment; an unreadable configuration leaves that unknown
        free = isinstance(configuration, Merged) and (section, key) not in configuration.set_by_layers
        return DatabaseSource(
            member,
            key=f"[{section}] {key}",
            variable=f"TACACS_{section}_{key}".upper() if free else "",
            setting=f"databases.{setting}",
            stated=stated,
        )

    def live(self, *, lock_timeout: float | None = None) -> LiveConfiguration:
        return LiveServer(self, self.server, lock_timeout=lock_timeout)

    @classmethod
    def archived(cls, directory: Path, absent: Collection[str] = ()) -> ArchivedConfiguration:
        return ArchivedServer(cls, directory, absent)

    @classmethod
    def findings(cls, configuration: Configuration) -> list[str]:
        return rules.findings(configuration)

    def declared(self, configuration: Configuration) -> Configuration:
        """Return `configuration` without the comments and quotation marks that INI files have in values.

        Secrets stay as they are: they may contain both.
        """
        return {
            section: {key: value if is_secret_name(key) else plain_value(value) for key, value in values.items()}
            for section, values in configuration.items()
        }

    def instance_id(self, members: Mapping[str, Path]) -> str:
        if (overrides := members.get(OVERRIDES)) is None:
            return self.name
        return _recorded_id(overrides) or self.name

    def own_id(self, lock_timeout: float) -> str:
        overrides = self.server.overrides_path()
        try:
            stat_path(overrides)
        except MissingComponent:
            return ""
        return _recorded_id(overrides, lock_timeout)

    @classmethod
    def recognises(cls, manifest: Manifest) -> bool:
        # a foreign manifest names no kind: only this server's own archives are supported
        return manifest.kind == cls.kind or manifest.is_foreign


def _recorded_id(overrides: Path, lock_timeout: float | None = None) -> str:
    """Return the id in the database `overrides`, empty when it has none; without a `lock_timeout` it is a copy."""
    try:
        rows = sqlite.rows(overrides, INSTANCE_ID, immutable=lock_timeout is None, lock_timeout=lock_timeout or 0)
    except sqlite3.Error as error:
        if "no such table" in str(error):
            return ""
        raise sqlite.component_error(error, overrides, lock_timeout or 0) from error
    return as_text(str(rows[0][0])) if rows else ""
