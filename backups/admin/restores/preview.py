"""What the pages that prepare a restore or an undo show of its preview."""

from dataclasses import dataclass
from typing import Any

from backups.models import BackupExecution
from backups.service.restore.preview.component import ComponentPreview
from backups.service.restore.preview.summary import Preview
from backups.service.restore.preview.tables import TableChange
from backups.service.restore.preview.tree import EntryGroup, NamedEntry


@dataclass(frozen=True, slots=True)
class ShownGroup:
    """Entries of a tree that are deleted, added or replaced: `total` in all, `named` on this page, `more` behind it."""

    name: str
    title: str
    total: int
    named: tuple[NamedEntry, ...]
    more: int


@dataclass(frozen=True, slots=True)
class ShownComponent:
    """A component with its `changed` tables, which are shown; `same` tables and the `groups` of a tree are folded."""

    preview: ComponentPreview
    changed: list[TableChange]
    same: list[TableChange]
    groups: list[ShownGroup]


def preview_context(preview: Preview, archive: BackupExecution) -> dict[str, Any]:
    """Return the context of the templates."""
    return {
        "preview": preview,
        "archive": archive,
        "components": [shown_component(component) for component in preview.components],
    }


def shown_component(component: ComponentPreview) -> ShownComponent:
    changed = [
        table
        for table in component.tables
        if table.difference or table.gone or table.back or table.newest_now != table.newest_backup
    ]
    same = [table for table in component.tables if table not in changed]
    groups: list[ShownGroup] = []
    if tree := component.tree:
        groups += _group("going", tree.going, "would be deleted")
        groups += _group("changing", tree.changing, "would be replaced")
        groups += _group("returning", tree.returning, "would come back")
    return ShownComponent(component, changed, same, groups)


def _group(name: str, group: EntryGroup, effect: str) -> list[ShownGroup]:
    """Return the group; none for an empty one."""
    title = f"{group.words} {effect}{group.bytes_text}"
    return [ShownGroup(name, title, group.count, group.named, group.more)] if group.count else []
