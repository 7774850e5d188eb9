"""Drops and amounts as the rows of backups store them."""

from collections.abc import Mapping
from datetime import datetime

from backups.models.columns import ComponentAmount, DropEntry
from backups.service.drops.holdings import Drop, Holding, Kind

# who confirmed a deviation that came and was confirmed several times before
RECURRING = "recurring"


def entry_of(drop: Drop) -> DropEntry:
    """Return `drop` as a row stores it, open."""
    entry = DropEntry(
        component=drop.component, table=drop.table, measure=drop.measure, before=drop.before, after=drop.after
    )
    if drop.is_off_trend:
        entry |= {"kind": drop.kind.value, "limit": drop.limit, "backups": drop.backups}
    return entry


def drop_in(entry: DropEntry) -> Drop:
    return Drop(
        entry["component"], entry["table"], entry["measure"], entry["before"], entry["after"],
        Kind(entry.get("kind", Kind.DROPPED)), entry.get("limit", 0), entry.get("backups", 0),
    )  # fmt: skip


def confirmed(entry: DropEntry, *, by: str, at: datetime) -> DropEntry:
    return entry | {"confirmed_by": by, "confirmed_at": at.isoformat()}


def is_confirmed(entry: DropEntry) -> bool:
    return "confirmed_at" in entry


def amounts_of(held: Mapping[str, Holding]) -> list[ComponentAmount]:
    """Return what each component holds as a whole; None for what it does not have, or what could not be counted."""
    return [
        ComponentAmount(
            component=name,
            rows=holding.rows if holding.database_bytes and not holding.uncounted else None,
            files=holding.files,
            bytes=holding.size_bytes,
        )
        for name, holding in held.items()
    ]
