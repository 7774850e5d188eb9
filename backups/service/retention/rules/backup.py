"""The input and the result of a retention decision."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

# A machine without a battery for its clock starts in 1970; in the year 9999 the change to UTC overflows.
_EARLIEST_PLAUSIBLE = datetime(2000, 1, 1, tzinfo=UTC)
# a lock that ends in that year has no end: it is a legal hold
WITHOUT_END = datetime(9999, 1, 1, tzinfo=UTC)
_LATEST_PLAUSIBLE = datetime(9000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class Backup:
    """One backup, reduced to what the decision depends on.

    `taken_at` is aware; None, a naive value or a year before 2000 means that it is unknown.
    `completed`: its archive is whole, as far as was checked. `proven`: it was also verified or drilled afterwards.
    `in_use`: a restore, a verification or a download reads it now. `locked_until`: until then the store refuses to
    delete it. `adopted`: it was made elsewhere, so that its date is only what the archive says of itself. `flaw` says
    why an archive is known not to be good: it replaces no other backup, and is kept for inspection. `dropped`: it lacks
    data that was there before, or has far more, and this is not confirmed; `before_drop`: it is from before such a
    drop, which this describes and which has not ended.
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
    locked_until: datetime | None = None
    kind: str = "manual"
    safety_of_unacknowledged_restore: bool = False
    adopted: bool = False
    flaw: str = ""
    dropped: bool = False
    before_drop: str = ""
    size_bytes: int = 0

    def without_temporary_protection(self) -> "Backup":
        """Return it without temporary protections."""
        return replace(self, in_use=False, locked_until=None, safety_of_unacknowledged_restore=False, before_drop="")

    @property
    def date(self) -> datetime | None:
        """`taken_at` in UTC, or None where it cannot be relied on."""
        if self.taken_at is None or self.taken_at.utcoffset() is None:
            return None
        plausible = _EARLIEST_PLAUSIBLE <= self.taken_at < _LATEST_PLAUSIBLE
        return self.taken_at.astimezone(UTC) if plausible else None

    def good_date(self, now: datetime) -> datetime | None:
        """Return the date of a good backup; None for one that is not good, or is of an unknown or a future date."""
        date = self.date if self.completed and not self.flaw else None
        # one of the future would win each bucket until its date has come
        return date if date is not None and date <= now else None

    @property
    def may_displace_others(self) -> bool:
        """False for safety backups, adopted ones, and those that lack data: they must not push others out."""
        return self.counts_for_freshness and not self.dropped

    @property
    def counts_for_freshness(self) -> bool:
        """True for what counts for freshness: a backup of the instance as it is, made here."""
        return self.kind != "safety" and not self.adopted


@dataclass(frozen=True)
class Decision:
    """`reason` is a clause for operators: "kept because ..." or "goes because ..."."""

    backup: Backup
    keep: bool
    reason: str


def agreed_date(claims: Iterable[datetime | None], *, tolerance: timedelta = timedelta(hours=1)) -> datetime | None:
    """Return the first of several claims of a backup's date (row, manifest, archive name), when all of them agree.

    Absent claims (None) are left out. None when there is no claim, one is naive, or two differ by more than
    `tolerance`: a backdated archive must not pass for an old backup.
    """
    present = [claim for claim in claims if claim is not None]
    if not present or any(claim.utcoffset() is None for claim in present):
        return None
    return present[0] if max(present) - min(present) <= tolerance else None


def reclaimed_bytes(decisions: Sequence[Decision]) -> int:
    """Return how many bytes are freed at the destination."""
    return sum(decision.backup.size_bytes for decision in decisions if not decision.keep)
