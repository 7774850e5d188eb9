"""The components of an instance."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from backups.components import REGISTRY, require_foreign
from backups.components.base import Component
from backups.components.sqlite import SQLiteComponent
from backups.errors import ComponentError
from backups.instances.kinds.tacacs import configuration as tacacs
from backups.instances.kinds.tacacs.component import ConfigurationComponent
from backups.instances.parse import Instance
from backups.own_places import OwnPlaces
from backups.sources import confined

__all__ = ["components_of", "located"]


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
        f"instance {instance.name} has no component {name} any more", hint="describe it again in the instances file"
    )
