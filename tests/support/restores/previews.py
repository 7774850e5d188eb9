"""Parts of a preview."""

from backups.service.restore.preview.component import ComponentPreview
from backups.service.restore.preview.summary import Preview


def part(shown: Preview, name: str) -> ComponentPreview:
    return next(component for component in shown.components if component.name == name)
