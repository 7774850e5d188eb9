"""What was found or done, as sections of files: the same in text and in JSON."""

from collections.abc import Mapping
from typing import Any

from backups.models import BackupExecution

Item = dict[str, Any]
Sections = Mapping[str, list[Item]]


def item_of(execution: BackupExecution, **more: Any) -> Item:
    return {
        "path": execution.backup_path,
        "id": execution.pk,
        "instance": execution.instance,
        "size_bytes": execution.compressed_size_bytes,
    } | more


def lines(sections: Sections) -> list[str]:
    """Return a line an item: the word of its section, the path, the id, and what is said about it."""
    width = max((len(word) for word in sections), default=0)
    return [f"  {word:{width}}  {_words(item)}" for word, items in sections.items() for item in items]


def _words(item: Item) -> str:
    parts = [item.get("path"), f"id {item['id']}" if "id" in item else None, item.get("reason")]
    return "  ".join(part for part in parts if part)
