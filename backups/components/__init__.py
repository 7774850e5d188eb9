"""Components by kind, and the components of an instance."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from backups import tacacs
from backups.archive.manifest import Entry
from backups.components.base import ApplyContext, Component, ConfigInfo, Export, ExportContext, ExportedPart
from backups.components.configuration import ConfigurationComponent
from backups.components.files import FilesComponent
from backups.components.sqlite import SQLiteComponent
from backups.errors import ComponentError
from backups.instance_file import ComponentSpec, Instance
from backups.own_places import OwnPlaces
from backups.replacing import touched
from backups.sources import confined

__all__ = [
    "ApplyContext",
    "Component",
    "ConfigInfo",
    "Export",
    "ExportContext",
    "ExportedPart",
    "components_of",
    "is_back",
    "located",
    "put_back",
    "require_foreign",
]


SAFE_SUFFIX = re.compile(r"\.[A-Za-z0-9]{1,16}")


def member_name(component: str, path: Path, default: str = "") -> str:
    """Name a member after its component, which is unique, and keep the suffix that people know the file by."""
    return component + (path.suffix if SAFE_SUFFIX.fullmatch(path.suffix) else default)


def _sqlite(spec: ComponentSpec, own: OwnPlaces) -> Component:
    return SQLiteComponent(
        spec.name, spec.path, member=member_name(spec.name, spec.path, ".db"), optional=spec.optional
    )


def _files(spec: ComponentSpec, own: OwnPlaces) -> Component:
    member = member_name(spec.name, spec.path)
    return FilesComponent(spec.name, spec.path, member=member, optional=spec.optional, own=own)


REGISTRY = {"sqlite": _sqlite, "files": _files}


def components_of(
    instance: Instance, configuration: tacacs.Configuration | None = None, *, own: OwnPlaces
) -> list[Component]:
    """Return the components of `instance` in the order they are exported, without the site's `own` places in them.

    `configuration` is the one that names the files, the live one by default. Raises ComponentError when that cannot
    be read, or when a component leads out of the root or into one of those places.
    """
    if instance.kind == "tacacs":
        found = _tacacs_components(instance, configuration or tacacs.live_configuration(instance))
    else:
        for spec in instance.components:
            confined(instance.root, spec.path)
        found = [REGISTRY[spec.kind](spec, own) for spec in instance.components]
    return [require_foreign(component, own) for component in found]


def require_foreign(component: Component, own: OwnPlaces) -> Component:
    """Return `component`; raise ComponentError when it is, or lies in, one of the site's own places.

    A restore never touches those.
    """
    for path in component.paths():
        if (place := own.holding(path)) is not None:
            raise ComponentError(
                f"{component.name}: {path} lies where this site keeps its {place.what} ({place.path}).",
                hint="Move one of them, or take the component out of the instances file.",
            )
    return component


def _tacacs_components(instance: Instance, configuration: tacacs.Configuration) -> list[Component]:
    databases = [
        tacacs_database(instance, name, tacacs.database_path(instance, name, configuration))
        for name in tacacs.DATABASES
    ]
    return [ConfigurationComponent("config", instance), *databases]


def tacacs_database(instance: Instance, name: str, path: Path) -> Component:
    *_, member = tacacs.DATABASES[name]
    return SQLiteComponent(name, path, member=member, optional=name in instance.optional)


def located(instance: Instance, paths: Mapping[str, str], *, own: OwnPlaces) -> list[Component]:
    """Return the components of `instance` where an earlier restore found them, whatever is configured now.

    Raises ComponentError for one that the instance does not have any more, or that leads out of the root or into one
    of the site's `own` places by now.
    """
    return [
        require_foreign(_located(instance, name, confined(instance.root, path), own), own)
        for name, path in paths.items()
    ]


def _located(instance: Instance, name: str, path: Path, own: OwnPlaces) -> Component:
    if instance.kind == "tacacs":
        is_config = name == "config"
        return ConfigurationComponent(name, instance) if is_config else tacacs_database(instance, name, path)
    for spec in instance.components:
        if spec.name == name:
            return REGISTRY[spec.kind](replace(spec, path=path), own)
    raise ComponentError(
        f"Instance {instance.name} has no component {name} any more.", hint="Describe it again in the instances file."
    )


def put_back(component: Component, entries: Sequence[Entry], absent: Collection[str], context: ApplyContext) -> None:
    """Make `component` what the archive says: what `entries` hold, without the `absent` parts."""
    if entries:
        component.apply(entries, context)
    if absent:
        with touched():
            component.remove(absent)


def is_back(component: Component, entries: Sequence[Entry], absent: Collection[str], context: ApplyContext) -> bool:
    """True when `component` is exactly what the archive says; False also when that cannot be told."""
    try:
        return not any(map(component.exists, absent)) and (not entries or component.is_as_in(entries, context))
    except (ComponentError, OSError):
        return False
