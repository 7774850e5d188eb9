"""Strategy `simple`: an age, a number, or both."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from backups.service.retention.rules.verdict import Candidate, Verdict
from destinations.lib.formats import counted
from destinations.policies.retention_rule import Rule


def judge(rule: Rule, candidates: Sequence[Candidate], now: datetime) -> dict[str, Verdict]:
    """A backup goes when it is outside `keep_days` and outside `keep_count`; a limit not set protects nothing."""
    oldest = now if rule.keep_days is None else now - timedelta(days=rule.keep_days)
    within_days = f"it is not older than {counted(rule.keep_days or 0, 'day')}"
    within_count = f"it is one of the newest {rule.keep_count}"
    outside = _outside(rule)
    verdicts = {}
    for position, candidate in enumerate(candidates):
        if rule.keep_days is not None and candidate.taken_at >= oldest:
            verdicts[candidate.id] = Verdict(True, within_days)
        elif rule.keep_count is not None and position < rule.keep_count:
            verdicts[candidate.id] = Verdict(True, within_count)
        else:
            verdicts[candidate.id] = Verdict(False, outside)
    return verdicts


def _outside(rule: Rule) -> str:
    limits = []
    if rule.keep_days is not None:
        limits.append(f"it is older than {counted(rule.keep_days, 'day')}")
    if rule.keep_count is not None:
        limits.append(f"it is not one of the newest {rule.keep_count}")
    return " and ".join(limits)
