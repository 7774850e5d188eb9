"""The decision about each backup: the protections of every strategy, then the rule."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from backups.service.retention.rules import gfs, hanoi, simple
from backups.service.retention.rules.backup import WITHOUT_END, Backup, Decision
from backups.service.retention.rules.verdict import Candidate, Strategy, Verdict
from destinations.lib.formats import counted, rough_duration
from destinations.policies.retention_rule import RetentionError, Rule

_STRATEGIES: Mapping[str, Strategy] = {"simple": simple.judge, "gfs": gfs.judge, "hanoi": hanoi.judge}

# by the slots of no schedule
NO_SLOTS: Mapping[str, datetime] = {}
ASIDE = "safety and adopted backups and those with a drop aside"


def decide(
    rule: Rule,
    backups: Sequence[Backup],
    now: datetime,
    max_ages: Mapping[str, timedelta | None],
    overdue_from: Mapping[str, datetime] = NO_SLOTS,
) -> list[Decision]:
    """Return one decision for each backup, in the order given; each instance is decided by itself.

    `max_ages` is for every instance the age that its newest good backup may have by its schedules, None without any.
    `overdue_from` is when an instance with schedules is overdue by their slots; where it is left out, its newest good
    backup is as soon as it is older than `max_ages`.
    Idempotent: deciding again on what was kept, at the same `now`, keeps all of it.
    Raises RetentionError: `now` is naive, an id occurs twice, or an instance has no entry in `max_ages`.
    """
    if now.utcoffset() is None:
        raise RetentionError("The present moment of a retention run has no time zone.", "Pass an aware datetime.")
    seen: set[str] = set()
    for backup in backups:
        if backup.id in seen:
            raise RetentionError(f"Backup {backup.id} occurs twice in a retention run.", "Pass every row once.")
        # a missing entry would read as no schedule, and delete while backups are overdue
        if backup.instance not in max_ages:
            raise RetentionError(
                f"It is not known how old the newest backup of instance {backup.instance!r} may be.",
                "Pass None for an instance that has no schedule.",
            )
        seen.add(backup.id)
    instances: defaultdict[str, dict[str, Backup]] = defaultdict(dict)
    for backup in backups:
        instances[backup.instance][backup.id] = backup
    verdicts: dict[str, Verdict] = {}
    for instance, own in instances.items():
        verdicts |= _judge_instance(rule, own, now, max_ages[instance], overdue_from.get(instance))
    decisions = []
    for backup in backups:
        keep, because = verdicts[backup.id]
        decisions.append(Decision(backup, keep, f"{'kept' if keep else 'goes'} because {because}"))
    return decisions


def _judge_instance(
    rule: Rule,
    backups: Mapping[str, Backup],
    now: datetime,
    max_age: timedelta | None,
    overdue_from: datetime | None,
) -> dict[str, Verdict]:
    dated = (Candidate(date, backup.id) for backup in backups.values() if (date := backup.good_date(now)))
    candidates = sorted(dated, reverse=True)
    proven = {backup.id for backup in backups.values() if backup.proven}
    verdicts = _with_floors(rule, candidates, now, proven)
    # The rule is applied again without those that lack data, without safety and adopted backups, and without both: what
    # it keeps then is kept, so that they push no other backup out.
    whole = [candidate for candidate in candidates if not backups[candidate.id].dropped]
    own = [candidate for candidate in candidates if backups[candidate.id].counts_for_freshness]
    displacing = [candidate for candidate in own if backups[candidate.id].may_displace_others]
    applied = [candidates]
    for fewer in (whole, own, displacing):
        # often they are the same: without drops, or without safety and adopted backups
        if fewer in applied:
            continue
        applied.append(fewer)
        for id_, alone in _with_floors(rule, fewer, now, proven).items():
            if alone.keep and not verdicts[id_].keep:
                verdicts[id_] = Verdict(True, f"{alone.because}, {ASIDE}")
    hold = _hold(own, now, max_age, overdue_from, rule.min_keep)
    if hold:
        verdicts = {id_: verdict if verdict.keep else Verdict(True, hold) for id_, verdict in verdicts.items()}
    protected = {id_: Verdict(True, why) for id_, backup in backups.items() if (why := _protection(backup, now))}
    # a protection wins over every rule
    verdicts |= protected
    # last: where the rule keeps a backup too, its lock is no reason
    locked = {id_: Verdict(True, why) for id_, backup in backups.items() if (why := _lock(backup, now))}
    return {id_: verdict if verdict.keep else locked.get(id_, verdict) for id_, verdict in verdicts.items()}


def _with_floors(rule: Rule, candidates: Sequence[Candidate], now: datetime, proven: set[str]) -> dict[str, Verdict]:
    verdicts = dict(_STRATEGIES[rule.strategy](rule, candidates, now))
    floors = dict.fromkeys(
        (candidate.id for candidate in candidates[: rule.min_keep]),
        f"fewer than {counted(rule.min_keep, 'good backup')} would remain",
    )
    newest_proven = next((candidate.id for candidate in candidates if candidate.id in proven), None)
    if newest_proven is not None:
        floors.setdefault(newest_proven, "it is the newest proven backup")
    return verdicts | {id_: Verdict(True, why) for id_, why in floors.items() if not verdicts[id_].keep}


def _hold(
    candidates: Sequence[Candidate],
    now: datetime,
    max_age: timedelta | None,
    overdue_from: datetime | None,
    min_keep: int,
) -> str | None:
    """Return why nothing may be deleted now: backups are overdue, or have just begun again after a long pause."""
    if max_age is None:
        return None
    if not candidates:
        return "no good backup counts for its schedules: nothing is pruned"
    late = now - (overdue_from or candidates[0].taken_at + max_age)
    if late > timedelta(0):
        return f"the newest good backup is {rough_duration(late)} older than its schedules allow: nothing is pruned"
    # after a pause, or a jump of the clock, all older backups are beyond the rule as soon as the first new one is there
    newest = candidates[:min_keep]
    recent = sum(now - candidate.taken_at <= len(newest) * max_age for candidate in newest)
    if recent < len(newest):
        count = counted(recent, "good backup")
        return f"only {count} of {len(newest)} came since backups began again: nothing is pruned"
    return None


def _protection(backup: Backup, now: datetime) -> str | None:
    if not backup.completed:
        return "it did not complete: there is no archive to delete"
    if backup.pinned:
        return f"pinned: {backup.pin_reason}" if backup.pin_reason else "pinned"
    if backup.in_use:
        return "it is in use"
    if backup.safety_of_unacknowledged_restore:
        return "it is the safety backup of a restore that is not acknowledged"
    if backup.flaw:
        return f"it replaces no other backup, and needs attention: {backup.flaw}"
    if backup.before_drop:
        return f"it is from before {backup.before_drop}"
    if backup.date is None:
        return "its date is unknown"
    if backup.date > now:
        return "its date is in the future"
    return None


def _lock(backup: Backup, now: datetime) -> str | None:
    if backup.locked_until is not None and backup.locked_until >= WITHOUT_END:
        return "locked by a legal hold, which has no end"
    if backup.locked_until is not None and backup.locked_until > now:
        return f"locked until {backup.locked_until:%Y-%m-%d %H:%M} UTC"
    return None
