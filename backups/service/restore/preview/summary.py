"""The preview of a restore as a whole: what a person reads and confirms."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from backups.service.restore.preview.component import ComponentPreview
from backups.service.restore.preview.findings import LOSS, NOTHING, UNKNOWN
from backups.service.restore.preview.refusal import Refusal
from destinations.lib.formats import listed


@dataclass(frozen=True, slots=True)
class Preview:
    """`archive_sha256` and `changes_seen` are what a person confirms, `refusals` what a restore would stop at.

    `archive_instance` is the name in the archive; `other_instance` is true unless it is of this one, by name or by id.

    `status` is the worst of the selected components.
    """

    instance: str
    archive: str
    archive_sha256: str
    changes_seen: str
    archive_instance: str
    other_instance: bool
    taken_at: datetime | None
    triggered_by: str
    hostname: str
    kind: str
    application: str
    format: int
    size_bytes: int
    warnings: tuple[str, ...]
    refusals: tuple[Refusal, ...]
    components: tuple[ComponentPreview, ...]
    loss: str
    status: str

    @property
    def age(self) -> timedelta | None:
        return timezone.now() - self.taken_at if self.taken_at else None

    @property
    def compared(self) -> bool:
        """False where something selected could not be compared, or was counted only."""
        return all(component.compared for component in self.components if component.selected)

    def to_dict(self) -> dict[str, Any]:
        values = asdict(self)
        return values | {
            "taken_at": self.taken_at.isoformat() if self.taken_at else None,
            "age": round(self.age.total_seconds(), 3) if self.age else None,
        }


def worst_status(components: Sequence[ComponentPreview]) -> str:
    return max((component.status for component in components), key=(NOTHING, UNKNOWN, LOSS).index, default=NOTHING)


def total_loss(components: Sequence[ComponentPreview]) -> str:
    """Return in sentences what is known to be lost, and of which components that is unknown."""
    lost = [text for component in components for text in component.lost]
    unknown = [component.name for component in components if component.loss_unknown and not component.lost]
    partly = [component.name for component in components if component.loss_unknown and component.lost]
    text = f"{listed(lost)} will be gone." if lost else "Nothing is known to be lost."
    text += f" What else {listed(partly)} would lose is unknown." if partly else ""
    text += f" What {listed(unknown)} would lose is unknown." if unknown else ""
    return text[0].upper() + text[1:]
