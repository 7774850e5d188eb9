"""Backups, rules and answers in few words, for the tests of retention."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest

from backups.service.retention.rules import Backup, Decision, Rule, decide

NOW = datetime(2026, 3, 31, 12, 0, tzinfo=UTC)
ONE_DAY = Rule(strategy="simple", keep_days=1, min_keep=1)
ONE_OF_EACH = Rule(strategy="gfs", keep_daily=1, keep_weekly=1, keep_monthly=1, keep_yearly=1, min_keep=1)
SPACED = Rule(strategy="hanoi", min_keep=1)
EVERY_STRATEGY = pytest.mark.parametrize("rule", [ONE_DAY, ONE_OF_EACH, SPACED], ids=lambda rule: rule.strategy)
_numbers = count(1)


def at(text: str) -> datetime:
    """A moment in UTC: "2026-03-31" or "2026-03-31 02:00"."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def taken(moment: datetime | str | None, **facts: Any) -> Backup:
    """A completed backup of `app`; its id is its date where none is given."""
    taken_at = at(moment) if isinstance(moment, str) else moment
    facts.setdefault("id", f"{moment}#{next(_numbers)}" if facts else f"{moment}")
    return Backup(**{"instance": "app", "taken_at": taken_at, "completed": True} | facts)


def daily(days: int, *, newest: datetime = NOW, instance: str = "app") -> list[Backup]:
    """One backup on each of so many days, the newest first, named after their age in days."""
    return [
        taken(newest - timedelta(days=age), id=f"{instance}-{age}", instance=instance, size_bytes=10)
        for age in range(days)
    ]


def judge(
    rule: Rule, backups: Iterable[Backup], *, now: datetime = NOW, promised: timedelta | None = None
) -> list[Decision]:
    rows = list(backups)
    return decide(rule, rows, now, {row.instance: promised for row in rows})


def kept(decisions: Iterable[Decision]) -> list[str]:
    return [decision.backup.id for decision in decisions if decision.keep]


def gone(decisions: Iterable[Decision]) -> list[str]:
    return [decision.backup.id for decision in decisions if not decision.keep]


def reason(decisions: Iterable[Decision], backup: Backup | str) -> str:
    id_ = backup if isinstance(backup, str) else backup.id
    return next(decision.reason for decision in decisions if decision.backup.id == id_)
