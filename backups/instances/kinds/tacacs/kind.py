"""The TACACS+ server as a kind of service: its components follow from its own configuration."""

import sqlite3
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, ClassVar, Self

from backups.archive.manifest.document import Manifest
from backups.archive.manifest.names import EXPORT_NAME
from backups.components import Component, sqlite
from backups.components.sqlite.component import SQLiteComponent
from backups.instances.fields import Mistake, require_known, text, within
from backups.instances.kinds.base import ArchivedConfiguration, DatabaseSource, LiveConfiguration, ServiceKind
from backups.instances.kinds.layers import CONFIG, Configuration, is_url
from backups.instances.kinds.tacacs import rules
from backups.instances.kinds.tacacs.archived import FILE, LAYERS, OVERRIDES, ArchivedServer, LiveServer
from backups.instances.kinds.tacacs.component import ConfigurationComponent
from backups.instances.kinds.tacacs.configuration import DATABASES, Server
from backups.instances.kinds.tacacs.section import ConfigurationSection
from backups.lib.site_paths import OwnPlaces

OPTIONAL = ("overrides", *DATABASES)
INSTANCE_ID = "SELECT value FROM system_metadata WHERE key = 'instance_id' LIMIT 1"


class TacacsServer(ServiceKind):
    kind = "tacacs"
    label = "TACACS+ server"
    keys: ClassVar[frozenset[str]] = frozenset({"config", "optional", "databases", "environment_file"})
    default_state = "data"
    layers: ClassVar[Mapping[str, str]] = LAYERS
    divisible = True
    foreign_components: ClassVar[Mapping[str, str]] = {
        FILE: CONFIG,
        OVERRIDES: CONFIG,
        EXPORT_NAME: CONFIG,
        **{member: component for component, (*_, member) in DATABASES.items()},
    }

    def __init__(self, server: Server, environment_file: Path | None = None) -> None:
        super().__init__(server.name, server.root)
        self.server = server
        self.config = server.config
        self.environment_file = environment_file

    @classmethod
    def parse(cls, name: str, root: Path, table: Mapping[str, Any]) -> Self:
        config = text(table, "config")
        server = Server(
            name,
            root,
            config if is_url(config) else str(within(root, config, "config")),
            _optional(table),
            _databases(root, table),
        )
        return cls(server, _environment_file(table))

    @property
    def component_names(self) -> tuple[str, ...]:
        return (CONFIG, *DATABASES)

    def components(self, configuration: Configuration, own: OwnPlaces) -> list[Component]:
        paths = {name: self.server.database_path(name, configuration) for name in DATABASES}
        databases = [self._database(name, path) for name, path in paths.items()]
        return [ConfigurationComponent(CONFIG, self.server), *databases]

    def component_at(self, name: str, path: Path, own: OwnPlaces) -> Component | None:
        if name == CONFIG:
            return ConfigurationComponent(CONFIG, self.server)
        return self._database(name, path) if name in DATABASES else None

    def _database(self, name: str, path: Path) -> Component:
        *_, member = DATABASES[name]
        return SQLiteComponent(name, path, member=member, optional=name in self.server.optional)

    def section(self, name: str, *, by: str) -> Component:
        return ConfigurationSection(CONFIG, self, self.server, name, by=by)

    def database_source(self, component: str, configuration: Configuration) -> DatabaseSource:
        setting = "overrides" if component == CONFIG else component
        stated = setting in self.server.databases
        if component not in DATABASES:
            return DatabaseSource(OVERRIDES, setting=f"databases.{setting}", stated=stated)
        section, key, _, member = DATABASES[component]
        # of a configuration that cannot be read it is not known whether the environment counts
        free = configuration and key not in configuration.get(section, {})
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

    def instance_id(self, members: Mapping[str, Path]) -> str:
        if (overrides := members.get(OVERRIDES)) is None:
            return self.name
        try:
            rows = sqlite.rows(overrides, INSTANCE_ID, immutable=True)
        except sqlite3.OperationalError as error:
            if "no such table" in str(error):
                return self.name
            raise sqlite.explained(error, overrides, 0) from error
        return str(rows[0][0]) if rows else self.name

    @classmethod
    def recognises(cls, manifest: Manifest) -> bool:
        # a foreign manifest names no kind: this server is the only one whose own archives are read
        return manifest.kind == cls.kind or manifest.is_foreign


def _optional(table: Mapping[str, Any]) -> frozenset[str]:
    value = table.get("optional", [])
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise Mistake("optional", "The value must be a list of component names.")
    for number, name in enumerate(value, 1):
        if name not in OPTIONAL:
            raise Mistake("optional", f"Component {number} is unknown.", f"Use some of {', '.join(OPTIONAL)}.")
    return frozenset(value)


def _databases(root: Path, table: Mapping[str, Any]) -> dict[str, Path]:
    databases = table.get("databases", {})
    if not isinstance(databases, dict):
        raise Mistake("databases", "The databases are a table, such as [hq.databases].")
    require_known(databases, OPTIONAL, "databases.")
    return {name: within(root, text(databases, name, prefix="databases."), f"databases.{name}") for name in databases}


def _environment_file(table: Mapping[str, Any]) -> Path | None:
    if not (path := text(table, "environment_file", default="")):
        return None
    if not Path(path).is_absolute():
        raise Mistake("environment_file", "The path is not absolute.")
    return Path(path)
