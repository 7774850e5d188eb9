"""Strategy `gfs`: grandfather, father, son."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from itertools import islice

from backups.service.retention.rules.verdict import Candidate, Verdict
from destinations.lib.formats import counted, listed
from destinations.policies.retention_rule import Rule


def _week(moment: datetime) -> str:
    year, week, _ = moment.isocalendar()
    return f"{year}-W{week:02d}"


_BUCKETS: dict[str, Callable[[datetime], str]] = {
    "day": lambda moment: moment.isoformat()[:10],
    "week": _week,
    "month": lambda moment: moment.isoformat()[:7],
    "year": lambda moment: moment.isoformat()[:4],
}


def judge(rule: Rule, candidates: Sequence[Candidate], now: datetime) -> dict[str, Verdict]:
    """The newest backup of each of the latest N days, ISO 8601 weeks, months and years (UTC) that have a backup.

    Buckets without a backup do not count: an instance that is seldom backed up keeps as many as one that never misses.
    """
    sizes = {"day": rule.keep_daily, "week": rule.keep_weekly, "month": rule.keep_monthly, "year": rule.keep_yearly}
    won = defaultdict(list)
    for period, size in sizes.items():
        for bucket, winner in islice(_winners(candidates, _BUCKETS[period]), size):
            won[winner].append(f"{period} {bucket}")
    buckets = listed([counted(size, period) for period, size in sizes.items() if size])
    lost = Verdict(False, f"it is not the newest of any of the latest {buckets} that have a backup")
    kept = {winner: Verdict(True, f"it is the newest of {listed(names)}") for winner, names in won.items()}
    return {candidate.id: kept.get(candidate.id, lost) for candidate in candidates}


def _winners(candidates: Sequence[Candidate], bucket_of: Callable[[datetime], str]) -> Iterator[tuple[str, str]]:
    latest = None
    for candidate in candidates:
        bucket = bucket_of(candidate.taken_at)
        if bucket != latest:
            yield bucket, candidate.id
            latest = bucket
