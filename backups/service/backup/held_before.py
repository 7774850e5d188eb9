"""Whether an earlier backup of an instance holds a component: what was backed up before and is gone is a loss."""

from functools import reduce
from operator import or_

from django.db.models import Q

from backups.archive.errors import ArchiveError
from backups.archive.manifest.document import Manifest
from backups.archive.manifest.entry import FOREIGN_COMPONENTS
from backups.instances import Instance
from backups.models import BackupExecution


def last_backup_with(instance: Instance, name: str) -> BackupExecution | None:
    """Return the newest completed backup of `instance` that holds the component `name`, or "config.LAYER".

    Also one whose archive was deleted since, or that was imported.
    """
    component, _, part = name.partition(".")
    file = instance.service.layers.get(part)
    # a manifest of the service's own archives names files only
    names = {file} if file else {component, *(name for name, its in FOREIGN_COMPONENTS.items() if its == component)}
    held = reduce(or_, (Q(manifest_json__contents__icontains=f'"{name}"') for name in names))
    # the database selects by text, so that not every manifest of a long history is parsed
    rows = BackupExecution.objects.completed().of_instance(instance.name).filter(held).order_by("-created_at")
    for backup in rows.iterator(chunk_size=20):
        try:
            entries = Manifest.from_dict(backup.manifest_json or {}).entries_of(component)
        except ArchiveError:
            continue
        if any(file in (None, entry.file) for entry in entries):
            return backup
    return None
