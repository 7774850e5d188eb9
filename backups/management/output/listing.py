"""Sections of files in the output of a command, the same in text and in JSON."""

from collections.abc import Mapping
from typing import Any

from backups.models import BackupExecution
from destinations.lib.formats import printable

Item = dict[str, Any]
Sections = Mapping[str, list[Item]]


def item_of(backup: BackupExecution, **more: Any) -> Item:
    return {
        "path": backup.backup_path,
        "id": backup.pk,
        "instance": backup.instance,
        "size_bytes": backup.compressed_size_bytes,
    } | more


def lines(sections: Sections) -> list[str]:
    """Return a line for each item: the name of its section, the path, the id and the reason."""
    width = max((len(name) for name in sections), default=0)
    found = []
    for name, items in sections.items():
        for item in items:
            parts = [item.get("path"), f"id {item['id']}" if "id" in item else None, item.get("reason")]
            found.append(printable(f"  {name:{width}}  " + "  ".join(part for part in parts if part)))
    return found
