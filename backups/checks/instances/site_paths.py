"""Check that no instance contains files of the site, or another instance."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Any

from django.apps import AppConfig
from django.core.checks import CheckMessage, Error, Warning

from backups.components import Component, require_outside_site_paths
from backups.errors import BackupError, ComponentError
from backups.instances import Instance, inventory
from backups.instances.kinds import components_of
from backups.instances.site_paths import (
    InstancePaths,
    all_site_paths,
    configured_site_paths,
    instance_paths_in,
    require_no_other_instance,
    trees_of,
)
from backups.lib.site_paths import NO_SITE_PATHS, SitePaths
from destinations.lib.migrated import may_read
from destinations.models import BackupDestination

Described = tuple[Instance, Component, InstancePaths]


def check_own_places(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    """E050: a component cannot be backed up or restored. W050: a part of a tree is left out of backups."""
    return list(_findings(_readable(), SitePaths(configured_site_paths())))


def check_destination_places(
    app_configs: Sequence[AppConfig] | None, databases: Sequence[str] | None = None, **_: Any
) -> list[CheckMessage]:
    """E050, W050: the same for the folders of destinations, which are in the database."""
    if not may_read(BackupDestination, databases):
        return []
    readable = _readable()
    known = list(_findings(readable, SitePaths(configured_site_paths())))
    return [finding for finding in _findings(readable, all_site_paths()) if finding not in known]


def _readable() -> list[Described]:
    """Return each component of the instances that can be read, with the paths of instances in all of them."""
    found: list[tuple[Instance, Component]] = []
    for instance in inventory().instances.values():
        if not instance.service.is_this_site:
            with suppress(BackupError):  # W002 reports it
                found += [(instance, part) for part in components_of(instance.service, own=NO_SITE_PATHS)]
    known = instance_paths_in(trees_of(part for _, part in found))
    return [(instance, part, known) for instance, part in found]


def _findings(readable: Iterable[Described], own: SitePaths) -> Iterator[CheckMessage]:
    for instance, part, known in readable:
        try:
            require_outside_site_paths(part, own)
            require_no_other_instance(instance, part, known)
        except ComponentError as error:
            yield Error(f"[{instance.name}] {error.message}", hint=error.hint, id="backups.E050")
            continue
        for tree in trees_of([part]):
            for name, place in own.below(tree).places.items():
                yield Warning(
                    f"[{instance.name}] {part.name}: {tree / name} is where this site keeps its {place.what}.",
                    hint="It is left out of backups, and a restore does not change it. If that is wrong, move it.",
                    id="backups.W050",
                )
