"""Places of the site inside what it backs up and restores, and instances inside each other."""

from collections.abc import Iterator, Sequence
from typing import Any

from django.apps import AppConfig
from django.core.checks import CheckMessage, Error, Tags, Warning, register

from backups.components import Component, require_foreign
from backups.errors import BackupError, ComponentError
from backups.instances import Instance, inventory
from backups.instances.kinds import components_of
from backups.instances.site_paths import configured_places, require_apart, site_places
from backups.lib.site_paths import NO_PLACES, OwnPlaces
from destinations.migrated import may_read
from destinations.models import BackupDestination


@register()
def check_own_places(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    """E050: a component that no backup and no restore will take. W050: a tree that is taken without a part of it."""
    return list(_findings(OwnPlaces(configured_places())))


@register(Tags.database)
def check_destination_places(
    app_configs: Sequence[AppConfig] | None, databases: Sequence[str] | None = None, **_: Any
) -> list[CheckMessage]:
    """E050, W050: likewise, about folders that only the destinations name."""
    if not may_read(BackupDestination, databases):
        return []
    known = list(_findings(OwnPlaces(configured_places())))
    return [finding for finding in _findings(site_places()) if finding not in known]


def _findings(own: OwnPlaces) -> Iterator[CheckMessage]:
    for instance in inventory().instances.values():
        try:
            parts = components_of(instance.service, own=NO_PLACES)
        except BackupError:  # W002 says so
            continue
        for part in parts:
            yield from _about(instance, part, own)


def _about(instance: Instance, part: Component, own: OwnPlaces) -> Iterator[CheckMessage]:
    try:
        require_foreign(part, own)
        require_apart(instance, part)
    except ComponentError as error:
        yield Error(f"[{instance.name}] {error.message}", hint=error.hint, id="backups.E050")
        return
    if part.kind == "files":
        (tree,) = part.sources()
        for name, place in own.below(tree).places.items():
            yield Warning(
                f"[{instance.name}] {part.name}: {tree / name} is where this site keeps its {place.what}",
                hint="It is left out of backups, and a restore leaves it as it is. If that is not meant, move it.",
                id="backups.W050",
            )
