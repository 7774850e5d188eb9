"""A preview of a restore of a tree of uploads."""

from pathlib import Path

from backups.models import BackupExecution
from backups.service.restore.preview.build import preview
from backups.service.restore.preview.component import ComponentPreview
from backups.service.restore.preview.tree import EntryGroup, TreePreview


def look(source: BackupExecution | Path, name: str = "uploads", **options: object) -> ComponentPreview:
    shown = preview(source, "shop", **options)  # type: ignore[arg-type]
    return next(component for component in shown.components if component.name == name)


def look_at_tree(source: BackupExecution | Path, **options: object) -> TreePreview:
    found = look(source, **options).tree
    assert found is not None
    return found


def names(group: EntryGroup) -> list[str]:
    return [entry.name for entry in group.named]
