"""Check that no instance contains files of the site, or another instance."""

from collections.abc import Iterator, Sequence
from typing import Any

from django.apps import AppConfig
from django.core.checks import CheckMessage, Error, Warning

from backups.components import require_outside_site_paths
from backups.errors import BackupError, ComponentError
from backups.instances import inventory
from backups.instances.kinds import components_of
from backups.instances.site_paths import all_site_paths, configured_site_paths, require_no_other_instance
from backups.lib.site_paths import NO_SITE_PATHS, SitePaths
from destinations.lib.migrated import may_read
from destinations.models import BackupDestination


def check_own_places(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    """E050: a component cannot be backed up or restored. W050: a part of a tree is left out of backups."""
    return list(_findings(SitePaths(configured_site_paths())))


def check_destination_places(
    app_configs: Sequence[AppConfig] | None, databases: Sequence[str] | None = None, **_: Any
) -> list[CheckMessage]:
    """E050, W050: the same for the folders of destinations, which are in the database."""
    if not may_read(BackupDestination, databases):
        return []
    known = list(_findings(SitePaths(configured_site_paths())))
    return [finding for finding in _findings(all_site_paths()) if finding not in known]


def _findings(own: SitePaths) -> Iterator[CheckMessage]:
    for instance in inventory().instances.values():
        if instance.service.is_this_site:
            continue
        try:
            parts = components_of(instance.service, own=NO_SITE_PATHS)
        except BackupError:  # W002 reports it
            continue
        for part in parts:
            try:
                require_outside_site_paths(part, own)
                require_no_other_instance(instance, part)
            except ComponentError as error:
                yield Error(f"[{instance.name}] {error.message}", hint=error.hint, id="backups.E050")
                continue
            if part.kind == "files":
                (tree,) = part.sources()
                for name, place in own.below(tree).places.items():
                    yield Warning(
                        f"[{instance.name}] {part.name}: {tree / name} is where this site keeps its {place.what}.",
                        hint="It is left out of backups, and a restore does not change it. If that is wrong, move it.",
                        id="backups.W050",
                    )
