"""Strategy `hanoi`: exponentially spaced points in the past, in the manner of the Tower of Hanoi rotation."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from itertools import pairwise

from backups.service.retention.rules.verdict import Candidate, Verdict
from destinations.lib.formats import counted
from destinations.policies.retention_rule import Rule


def judge(rule: Rule, candidates: Sequence[Candidate], now: datetime) -> dict[str, Verdict]:
    """The newest backup of each day that `spaced` keeps; with `keep_days`, older backups than that do not take part."""
    verdicts = {}
    days: dict[date, str] = {}
    for candidate in candidates:
        day = candidate.taken_at.date()
        if rule.keep_days is not None and now - candidate.taken_at > timedelta(days=rule.keep_days):
            verdicts[candidate.id] = Verdict(False, f"it is older than {counted(rule.keep_days, 'day')}")
        elif day in days:
            verdicts[candidate.id] = Verdict(False, f"it is not the newest of day {day}")
        else:
            days[day] = candidate.id
            verdicts[candidate.id] = Verdict(False, "the backups kept on both sides of it are close enough together")
    for day in spaced(list(days)):
        verdicts[days[day]] = Verdict(True, _point(next(iter(days)), day))
    return verdicts


def spaced(days: Sequence[date]) -> list[date]:
    """Of days in descending order: the newest, then each time the oldest day in reach, down to the oldest of all.

    From a kept day that is `a` days older than the newest, the reach is 3a + 1 days; where no day lies in reach, the
    next older one is kept. So no step into the past more than triples it, except where there was no backup, and every
    second step does triple it: of n daily backups at most 2 + 2 log3(n) stay, about log2(n).

    The Tower of Hanoi rotation writes tape k every 2**(k+1) days (1 2 1 3 1 2 1 4 ...), which also keeps log2(n)
    points, but on days fixed beforehand: a failed run on the day of a seldom used tape leaves a hole for months. Age
    classes of 2**k to 2**(k+1) days run empty when runs are weekly or missed. Here the steps are measured on what is
    there, and a step that is in reach stays in reach: as both its ends age, the reach grows faster than they do.
    Ages count from the newest backup, not from the present, so that nothing erodes once backups stop.
    Rotation: https://en.wikipedia.org/wiki/Backup_rotation_scheme#Tower_of_Hanoi
    """
    kept = list(days[:1])
    for day, older in pairwise(days[1:]):
        if days[0] - older > 3 * (days[0] - kept[-1]) + timedelta(days=1):
            kept.append(day)
    return kept + list(days[1:][-1:])


def _point(newest: date, day: date) -> str:
    if day == newest:
        return f"it is the newest of day {day}, where the spaced points begin"
    return f"it is the spaced point {counted((newest - day).days, 'day')} before the newest backup"
