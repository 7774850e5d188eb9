"""Foresight: what would stop a restore of a whole archive into the instance it was made of, if that is on this host."""

from backups.archive.manifest.document import Manifest
from backups.components.base import Contents
from backups.errors import BackupError
from backups.instances import inventory
from backups.instances.site_paths import live_components


def restore_obstacles(manifest: Manifest, contents: Contents) -> list[str]:
    """Return a warning for each thing that a restore of `manifest` would be refused for now, on this host."""
    instance = inventory().instances.get(manifest.instance_name)
    if instance is None or not instance.root.is_dir():
        return []
    try:
        components = live_components(instance)
    except BackupError:  # where the live configuration is broken, the paths are those in the archive
        return []
    return [
        f"a restore of {component.name} would be refused here now: {obstacle.message}"
        for component in components
        if (entries := manifest.entries_of(component.name)) and component.accepts(entries)
        for obstacle in component.obstacles(entries, contents)
    ]
