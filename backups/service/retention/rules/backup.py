"""What retention knows of a backup, and what it answers."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

# A machine without a battery for its clock starts in 1970; in the year 9999 the change to UTC overflows.
_EARLIEST_PLAUSIBLE = datetime(2000, 1, 1, tzinfo=UTC)
_LATEST_PLAUSIBLE = datetime(9000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class Backup:
    """One row of the catalogue, reduced to what its fate depends on.

    `taken_at` is aware; None, a naive value or a year before 2000 means that nobody can say when.
    `completed`: its archive is whole, as far as was checked. `proven`: it was also verified or drilled afterwards.
    `in_use`: a restore, a check or a download reads it now. `adopted`: this installation did not see it being made, so
    that its date is only what the archive says of itself. `flaw` says why an archive that is there is known not to be
    good: it takes no other backup's place, and stays for a person to look at. `dropped`: it lacks data that was there
    before, and no person has confirmed that; `before_drop`: it is from before such a drop, which has not ended.
    `size_bytes` is the size at the destination.
    """

    id: str
    instance: str
    taken_at: datetime | None
    completed: bool
    proven: bool = False
    pinned: bool = False
    pin_reason: str = ""
    in_use: bool = False
    kind: str = "manual"
    safety_of_unacknowledged_restore: bool = False
    adopted: bool = False
    flaw: str = ""
    dropped: bool = False
    before_drop: bool = False
    size_bytes: int = 0

    def unheld(self) -> "Backup":
        """Return it as it will be when nothing keeps it for the time being any more."""
        return replace(self, in_use=False, safety_of_unacknowledged_restore=False, before_drop=False)

    @property
    def date(self) -> datetime | None:
        """`taken_at` in UTC, or None where it cannot be relied on."""
        if self.taken_at is None or self.taken_at.utcoffset() is None:
            return None
        plausible = _EARLIEST_PLAUSIBLE <= self.taken_at < _LATEST_PLAUSIBLE
        return self.taken_at.astimezone(UTC) if plausible else None

    @property
    def displaces_others(self) -> bool:
        """False for a state that somebody wanted to leave, for one that lacks data, and for a date not seen here."""
        return self.fulfils_promises and not self.dropped

    @property
    def fulfils_promises(self) -> bool:
        """True for what a schedule promises: a backup of the instance as it is, made here."""
        return self.kind != "safety" and not self.adopted


@dataclass(frozen=True)
class Decision:
    """`reason` is a full clause for people: "kept because ..." or "goes because ..."."""

    backup: Backup
    keep: bool
    reason: str


def agreed_date(claims: Iterable[datetime | None], *, tolerance: timedelta = timedelta(hours=1)) -> datetime | None:
    """The first of several claims of one backup's date (row, manifest, archive name), when all of them agree.

    Absent claims (None) are passed over. None when there is no claim, one is naive, or two differ by more than
    `tolerance`: a backdated archive must not pass for an old backup.
    """
    present = [claim for claim in claims if claim is not None]
    if not present or any(claim.utcoffset() is None for claim in present):
        return None
    return present[0] if max(present) - min(present) <= tolerance else None


def reclaimed_bytes(decisions: Sequence[Decision]) -> int:
    """How many bytes the destination gets back."""
    return sum(decision.backup.size_bytes for decision in decisions if not decision.keep)
