"""The generic kind of service: its components are listed in instances.toml."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Self

from backups.components import REGISTRY, Component, ComponentSpec
from backups.instances.fields import NAME, Mistake, flag, require_known, text, within
from backups.instances.kinds.base import ServiceKind
from backups.instances.kinds.layers import Configuration
from backups.lib.paths import Root
from backups.lib.site_paths import SitePaths

COMPONENT_KEYS = frozenset({"kind", "path", "optional"})
# names of members of the archive: the manifest and the merged configuration
RESERVED_COMPONENTS = frozenset({"manifest", "config_export"})


class GenericService(ServiceKind):
    kind = "generic"
    label = "generic service"
    keys: ClassVar[frozenset[str]] = frozenset({"components", "backup"})

    def __init__(
        self, name: str, root: Root, specs: tuple[ComponentSpec, ...], backup: Mapping[str, Mapping[str, str]]
    ) -> None:
        super().__init__(name, root)
        self.specs = specs
        # sections: "backup", "backup.destinations.NAME", "backup.schedules.NAME"
        self.backup = backup

    @classmethod
    def parse(cls, name: str, root: Root, table: Mapping[str, Any]) -> Self:
        backup = declared_sections(table.get("backup", {}))
        return cls(name, root, _components(root, table), backup)

    @property
    def component_names(self) -> tuple[str, ...]:
        return tuple(spec.name for spec in self.specs)

    def components(self, configuration: Configuration, own: SitePaths) -> list[Component]:
        for spec in self.specs:
            self.root.require(spec.path)
        return [REGISTRY[spec.kind](spec, own) for spec in self.specs]

    def component_at(self, name: str, path: Path, own: SitePaths) -> Component | None:
        specs = (spec for spec in self.specs if spec.name == name)
        return next((REGISTRY[spec.kind](replace(spec, path=path), own) for spec in specs), None)

    def named_paths(self) -> list[Path]:
        return [spec.path for spec in self.specs]

    def declared(self, configuration: Configuration) -> Configuration:
        return self.backup


def declared_sections(table: Any, name: str = "backup") -> dict[str, dict[str, str]]:
    """Return the nested ``backup`` table as flat sections with texts as values, like those of a configuration file."""
    if not isinstance(table, dict):
        raise Mistake(name, "The value must be a table.")
    own = {key: value for key, value in table.items() if not isinstance(value, dict)}
    if any(isinstance(value, list) for value in own.values()):
        raise Mistake(name, "The value must not be a list.")
    sections = {
        name: {key: str(value).lower() if isinstance(value, bool) else str(value) for key, value in own.items()}
    }
    for key, value in table.items():
        if isinstance(value, dict):
            sections |= declared_sections(value, f"{name}.{key}")
    return sections


def _components(root: Root, table: Mapping[str, Any]) -> tuple[ComponentSpec, ...]:
    tables = table.get("components")
    if not isinstance(tables, dict) or not tables:
        raise Mistake("components", "A generic instance has at least one component.")
    seen: dict[str, str] = {}
    specs = []
    for name, component in tables.items():
        key = f"components.{name}"
        if (other := seen.setdefault(name.casefold(), name)) != name:
            raise Mistake(key, f"The name differs from {other!r} in upper and lower case only.")
        specs.append(_component(root, name, component, key))
    return tuple(specs)


def _component(root: Root, name: str, table: Any, key: str) -> ComponentSpec:
    if not isinstance(table, dict):
        raise Mistake(key, "A component is a table, such as [shop.components.orders].")
    if not NAME.fullmatch(name) or name.startswith("-") or name.casefold() in RESERVED_COMPONENTS:
        raise Mistake(
            key, f"{name!r} is not a name for a component.", "Use letters, digits, '_' and '-'; not 'manifest'."
        )
    require_known(table, COMPONENT_KEYS, key + ".")
    kind = text(table, "kind", prefix=key + ".")
    if kind not in REGISTRY:
        raise Mistake(f"{key}.kind", "The kind is unknown.", f"Use one of {', '.join(REGISTRY)}.")
    path = within(root, text(table, "path", prefix=key + "."), f"{key}.path")
    return ComponentSpec(name, kind, path, flag(table, "optional", default=False, prefix=key + "."))
