"""What the pages before a restore and before an undo show of its preview."""

from dataclasses import dataclass
from typing import Any

from backups.models import BackupExecution
from backups.service.restore.preview.component import ComponentPreview
from backups.service.restore.preview.summary import Preview
from backups.service.restore.preview.tables import TableChange
from backups.service.restore.preview.tree import EntryGroup, NamedEntry, TreePreview


@dataclass(frozen=True, slots=True)
class ShownGroup:
    """Entries of a tree that go, come back or change: `total` in all; `named` are some, `more` those behind them."""

    name: str
    title: str
    total: int
    named: tuple[NamedEntry, ...]
    more: int


@dataclass(frozen=True, slots=True)
class ShownComponent:
    """`changed` tables are seen at once, those that stay the `same` are unfolded, as are the `groups` of a tree."""

    preview: ComponentPreview
    changed: list[TableChange]
    same: list[TableChange]
    groups: list[ShownGroup]


def preview_context(preview: Preview, archive: BackupExecution) -> dict[str, Any]:
    """Return what the templates need."""
    return {
        "preview": preview,
        "archive": archive,
        "components": [shown_component(component) for component in preview.components],
    }


def shown_component(component: ComponentPreview) -> ShownComponent:
    changed = [table for table in component.tables if _differs(table)]
    same = [table for table in component.tables if table not in changed]
    return ShownComponent(component, changed, same, _groups(component.tree) if component.tree else [])


def _differs(table: TableChange) -> bool:
    return bool(table.difference or table.gone or table.back) or table.newest_now != table.newest_backup


def _groups(tree: TreePreview) -> list[ShownGroup]:
    found = [
        _group("going", tree.going, "would be deleted"),
        _group("changing", tree.changing, "would be replaced"),
        _group("returning", tree.returning, "would come back"),
    ]
    return [group for group in found if group is not None]


def _group(name: str, group: EntryGroup, effect: str) -> ShownGroup | None:
    if not group.count:
        return None
    title = f"{group.words} {effect}{group.bytes_text}"
    return ShownGroup(name, title, group.count, group.named, group.more)
