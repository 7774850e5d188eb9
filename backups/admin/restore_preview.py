"""What the pages before a restore and before an undo show of its preview."""

from dataclasses import dataclass
from typing import Any

from backups.models import BackupExecution
from backups.service.preview import Preview
from backups.service.preview_component import ComponentPreview
from backups.service.preview_tables import TableChange


@dataclass(frozen=True, slots=True)
class ShownComponent:
    """`changed` tables are seen at once, those that stay the `same` are unfolded."""

    preview: ComponentPreview
    changed: list[TableChange]
    same: list[TableChange]


def preview_context(preview: Preview, archive: BackupExecution) -> dict[str, Any]:
    """Return what the templates need; `costs` is whether anything is, or may be, lost."""
    return {
        "preview": preview,
        "archive": archive,
        "costs": any(component.lost or component.loss_unknown for component in preview.components),
        "components": [_shown(component) for component in preview.components],
    }


def _shown(component: ComponentPreview) -> ShownComponent:
    changed = [table for table in component.tables if _differs(table)]
    return ShownComponent(component, changed, [table for table in component.tables if table not in changed])


def _differs(table: TableChange) -> bool:
    return bool(table.difference or table.gone or table.back) or table.newest_now != table.newest_backup
