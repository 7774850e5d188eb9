"""The paths of this site itself, and the components of an instance without them.

The paths are read at every use, so that a new destination is left out of older archives' restores too.
"""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import Error as DatabaseFailure
from django.db import connections

from backups.components import Component
from backups.errors import ComponentError, Unresponsive
from backups.instances import Instance, inventory
from backups.instances.kinds import components_at, components_of
from backups.instances.kinds.backupsite.kind import replaced_root
from backups.instances.kinds.layers import Configuration
from backups.lib import audit
from backups.lib.folders import Folders
from backups.lib.in_time import PATIENCE, in_time
from backups.lib.site_paths import DATABASE_FILES, LOG_FILES, NO_SITE_PATHS, SitePath, SitePaths, database_file
from destinations.exceptions import DestinationConfigError
from destinations.models import BackupDestination

ARCHIVES, WORKSPACES, DATABASE, KEYS, LOGS = "archives", "workspaces", "database", "keys", "logs"
REPLACED = "replaced state"
# by tree: the name of an instance, and a path of it that lies there
InstancePaths = Mapping[Path, Sequence[tuple[str, Path]]]


def all_site_paths() -> SitePaths:
    """Return all paths of this site: archives, workspaces, database, keys and logs."""
    return SitePaths([*configured_site_paths(), *destination_site_paths()])


def configured_site_paths() -> Iterator[SitePath]:
    """Yield the paths that are in the settings."""
    yield SitePath(ARCHIVES, Path(settings.BACKUP_ROOT))
    yield SitePath(WORKSPACES, Path(settings.BACKUP_WORKSPACE_ROOT))
    for alias in connections:
        if (file := database_file(connections[alias].settings_dict)) is not None:
            yield SitePath(DATABASE, file, DATABASE_FILES)
    for path in (*getattr(settings, "BACKUP_KEY_FILES", ()), *settings.BACKUP_ENCRYPTION_IDENTITY_FILE):
        yield SitePath(KEYS, Path(path))
    yield SitePath(REPLACED, replaced_root())
    logs: Mapping[str, Any] = settings.LOGGING
    for handler in logs.get("handlers", {}).values():
        if "filename" in handler:
            yield SitePath(LOGS, Path(handler["filename"]), LOG_FILES)


def destination_site_paths() -> Iterator[SitePath]:
    """Yield the folders of all destinations, disabled ones included."""
    for destination in BackupDestination.objects.all():
        if (folder := _folder_of(destination)) is not None:
            yield SitePath(ARCHIVES, folder)


def overlap_warnings(destination: BackupDestination) -> Iterator[str]:
    """Yield a warning for each component that contains the folder of `destination`, or lies in it.

    Also one when that folder does not answer; instances whose files do not answer are left out.
    """
    if (folder := _folder_of(destination)) is None:
        return
    try:
        own = in_time(f"destination {destination}", lambda: SitePaths([SitePath(ARCHIVES, folder)]))
    except Unresponsive as error:
        yield error.text
        return
    for instance in inventory().instances.values():
        if instance.service.is_this_site:
            continue
        with suppress(ComponentError):  # reported by the check of the instances, and by its page
            yield from in_time(instance.name, partial(_overlaps, instance, folder, own))


def _overlaps(instance: Instance, folder: Path, own: SitePaths) -> list[str]:
    found = []
    for component in components_of(instance.service, _configuration_now(instance), own=NO_SITE_PATHS):
        whose = f"component {component.name} of instance {instance.name}"
        if any(map(own.holding, component.paths())):
            found.append(f"The folder {folder} holds {whose}: it can be neither backed up nor restored there.")
        elif component.kind == "files" and own.below(component.sources()[0]):
            found.append(
                f"The folder {folder} lies in {whose}: it is left out of its backups, and its restores leave it."
            )
    return found


def _configuration_now(instance: Instance) -> Configuration:
    """Return the live configuration for a page, which waits less long for a locked database than a backup does."""
    return instance.service.live(lock_timeout=PATIENCE / 2).merged


def _folder_of(destination: BackupDestination) -> Path | None:
    try:
        return destination.open().folder()
    except DestinationConfigError:  # nothing can be stored there; reported by the check of the destinations
        return None


def live_components(instance: Instance, configuration: Configuration | None = None) -> list[Component]:
    """Return the components of `instance` for a backup or a restore, without the site's own paths in their trees.

    Raises ComponentError as `components_of`, and when a tree contains files of another instance.
    """
    return _live_components(instance, configuration, all_site_paths())


def _live_components(instance: Instance, configuration: Configuration | None, own: SitePaths) -> list[Component]:
    found = components_of(instance.service, configuration, own=own)
    if not instance.service.is_this_site:
        known = instance_paths_in(trees_of(found))
        for component in found:
            require_no_other_instance(instance, component, known)
    return found


def shown_components(instance: Instance) -> list[Component]:
    """Return the components of `instance` as `live_components` does, for a page.

    Raises Unresponsive too, when a mount with files of the instance, the site or another instance does not answer.
    """
    # the thread must not use the database
    places = [*configured_site_paths(), *destination_site_paths()]

    def look() -> list[Component]:
        return _live_components(instance, _configuration_now(instance), SitePaths(places))

    return in_time(instance.name, look)


def live_components_at(instance: Instance, paths: Mapping[str, str]) -> list[Component]:
    """Return the components of `instance` at the `paths` that an earlier restore recorded. Raises as `located`."""
    # a rollback must not depend on the database
    try:
        own = all_site_paths()
    except DatabaseFailure as error:
        # BACKUP_ROOT, with the mounts in it, contains the folders of all present types of destinations
        audit.log("restore.destinations-unknown", logging.WARNING, instance=instance.name, error=type(error).__name__)
        own = SitePaths(configured_site_paths())
    return components_at(instance.service, paths, own=own)


def instance_paths_in(trees: Iterable[Path]) -> InstancePaths:
    """Return the paths of instances that lie in each of `trees`; each path is resolved once for all of them."""
    trees, found = list(trees), dict[Path, list[tuple[str, Path]]]()
    if not trees:
        return found
    folders = Folders(trees)
    for instance in inventory().instances.values():
        # this site's own paths are left out of trees
        if not instance.service.is_this_site:
            for path in (*instance.service.root.allowed, *instance.service.named_paths()):
                for tree in folders.all_holding(path):
                    found.setdefault(tree, []).append((instance.name, path))
    return found


def trees_of(components: Iterable[Component]) -> list[Path]:
    """Return the folders or files of the `components` that consist of files."""
    return [tree for component in components if component.kind == "files" for tree in component.sources()]


def require_no_other_instance(instance: Instance, component: Component, known: InstancePaths) -> None:
    """Raise ComponentError for a tree that contains files of another instance, by the paths `known` in it."""
    # a restore would replace them while the other service runs
    for tree in trees_of([component]):
        for name, path in known.get(tree, ()):
            if name != instance.name:
                raise ComponentError(
                    f"{component.name}: {path} of instance {name} lies in {tree}.",
                    hint="Make components of the folders beside it, or move that instance.",
                )
