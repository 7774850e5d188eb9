"""A schedule by its name, in words, and in values for scripts."""

import re
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from cron_descriptor import ExpressionDescriptor, Options
from cron_descriptor.Exception import FormatException
from django.db.models import Prefetch, QuerySet

from backups.errors import BackupError
from backups.models import BackupSchedule
from backups.service.schedules.cadence import SIZES, parse_interval
from destinations.lib.formats import as_text, counted, listed

Scope = BackupSchedule.Scope
UNITS = ((timedelta(days=1), "day"), (timedelta(hours=1), "hour"), (timedelta(minutes=1), "minute"))
# the first minute, hour, day, month and weekday of a cron field
FIRST = (0, 0, 1, 1, 0)
SHORTEST_MONTH = 28


def described(schedules: "QuerySet[BackupSchedule]") -> "QuerySet[BackupSchedule]":
    """Return `schedules` with what `describe_schedule` and `summary` need, in a constant number of queries."""
    parts = BackupSchedule.objects.order_by("instance")
    return schedules.select_related("destination").prefetch_related("further__destination", Prefetch("parts", parts))


def find_schedule(name: str) -> BackupSchedule:
    schedule = described(BackupSchedule.objects.whole()).filter(name=name).first()
    if schedule is None:
        raise BackupError(f"There is no schedule {name!r}.", hint="`listschedules` prints their names.")
    return schedule


def describe_schedule(schedule: BackupSchedule) -> dict[str, Any]:
    """Return the values of `schedule` for scripts; times in ISO 8601.

    Of one that covers several instances `covers` has the values of each, and the schedule those of the soonest next
    run, the last run and the most failures.
    """
    rows = [part for part in schedule.parts.all() if part.left_at is None] if schedule.covers_several else [schedule]
    last = max((row for row in rows if row.last_run), key=_last_run, default=schedule)
    return {
        "id": schedule.pk,
        "name": schedule.name,
        "scope": schedule.scope,
        "instance": schedule.instance or None,
        "instances": schedule.instances,
        "label": schedule.label or None,
        "covers": [_describe_slots(row) for row in rows],
        "covered_before": {part.instance: _stamp(part.left_at) for part in schedule.parts.all() if part.left_at},
        "destination": schedule.destination.name,
        "destinations": [one.name for one in schedule.destinations],
        "type": schedule.type,
        "expression": schedule.expression,
        "time_zone": schedule.time_zone,
        "enabled": schedule.enabled,
        "last_status": last.last_status,
        "last_error": last.last_error,
        "consecutive_failures": max((row.consecutive_failures for row in rows), default=0),
        "managed_by": schedule.managed_by,
        "next_run": _stamp(min((row.next_run for row in rows if row.next_run), default=None)),
        "last_run": _stamp(last.last_run),
        "retry_at": _stamp(min((row.retry_at for row in rows if row.retry_at), default=None)),
        "created_at": _stamp(schedule.created_at),
    }


def _describe_slots(row: BackupSchedule) -> dict[str, Any]:
    return {
        "instance": row.instance,
        "enabled": row.enabled,
        "next_run": _stamp(row.next_run),
        "retry_at": _stamp(row.retry_at),
        "last_run": _stamp(row.last_run),
        "last_status": row.last_status,
        "last_error": row.last_error,
        "consecutive_failures": row.consecutive_failures,
    }


def _last_run(row: BackupSchedule) -> datetime:
    return row.last_run or row.created_at


def _stamp(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None


def scope_in_words(schedule: BackupSchedule) -> str:
    """Return what `schedule` backs up: "shop", "3 instances", "label net" or "all instances"."""
    if schedule.scope == Scope.INSTANCES:
        return counted(len(schedule.instances or []), "instance")
    if schedule.scope == Scope.LABEL:
        return f"label {schedule.label}"
    return "all instances" if schedule.scope == Scope.ALL else schedule.instance


def summary(schedule: BackupSchedule) -> str:
    parts = [part for part in schedule.parts.all() if part.left_at is None]
    coming = min((row.next_run for row in [schedule, *parts] if row.next_run), default=None)
    when = f"next {coming:%Y-%m-%d %H:%M} UTC" if coming else "no next run"
    state = when if schedule.enabled else "paused"
    cadence = f"{schedule.type} {schedule.expression}".strip()
    last = f"last {schedule.last_status}" if schedule.last_status else "has not run"
    last += f" ({as_text(schedule.last_error)})" if schedule.last_error else ""
    what = schedule.instance
    if schedule.covers_several:
        what = f"{scope_in_words(schedule)} ({', '.join(part.instance for part in parts) or 'none now'})"
        failing = [f"{row.instance} ({as_text(row.last_error)})" for row in parts if row.consecutive_failures]
        paused = [row.instance for row in parts if row.paused_here]
        last = f"failing: {', '.join(failing)}" if failing else "none fails"
        last += f", paused for {', '.join(paused)}" if paused else ""
    where = f"{what} to {', '.join(one.name for one in schedule.destinations)}"
    return f"{schedule.name}: {where}, {cadence} ({schedule.time_zone}), {state}, {last}"


def disabled_in_words(schedule: BackupSchedule) -> str:
    """Return in one sentence what follows from disabled destinations of an enabled `schedule`; empty without any."""
    disabled = [one.name for one in schedule.destinations if not one.enabled]
    if not disabled or not schedule.enabled:
        return ""
    where, verb = listed(disabled), "is" if len(disabled) == 1 else "are"
    if len(disabled) == len(schedule.destinations):
        return f"{where} {verb} disabled, so its runs fail."
    return f"{where} {verb} disabled: its backups lack their copy there until {where} {verb} enabled again."


def cadence_in_words(type_: str, expression: str, zone: str) -> str:
    """Return for example "at 02:00, every day (Europe/Berlin)", "every 15 minutes" or "only when started by hand"."""
    if type_ == "manual":
        return "only when started by hand"
    if type_ == "custom":
        return f"as {expression} says"
    if type_ != "interval":
        return _cron(expression, zone)
    try:
        length = parse_interval(expression)
    except BackupError:
        return expression
    unit, word = next(((unit, word) for unit, word in UNITS if not length % unit), (timedelta(seconds=1), "second"))
    count = length // unit
    return f"every {word}" if count == 1 else f"every {counted(count, word)}"


@lru_cache(maxsize=1024)
def _cron(expression: str, zone: str) -> str:
    """Return a cron expression in words; the expression itself where the library has no words for it."""
    fields = expression.upper().split()
    if len(fields) != len(SIZES):
        return f"cron {expression} ({zone})"
    fields = [_without_uneven_steps(*each) for each in zip(fields, FIRST, SIZES, strict=True)]
    # verbose adds "every day", which says nothing beside "every 15 minutes"
    options = Options(verbose=not fields[1].startswith("*"), use_24hour_time_format=True, locale_code="en_US")
    try:
        words: str = ExpressionDescriptor(" ".join(fields), options).get_full_description()
    except FormatException:
        return f"cron {expression} ({zone})"
    # inside a list the library has no words for a star and an L, and leaves a gap for a step
    if re.search(r"\*|\bL\b|  |, ?$", words):
        return f"cron {expression} ({zone})"
    words = words[0].lower() + words[1:]
    # cron runs on no other day in a month that is shorter
    days = re.findall(r"\d+", fields[2])
    if days and fields[3] == "*" and min(map(int, days)) > SHORTEST_MONTH and "/" not in fields[2]:
        words = words.replace("of the month", "of each month that has it")
    return words if fields[1:] == ["*"] * 4 else f"{words} ({zone})"


def _without_uneven_steps(field: str, first: int, size: int) -> str:
    """Return ``*/7`` of minutes as ``0,7,...,56``: it begins anew each hour, and is not "every 7 minutes"."""
    match = re.fullmatch(r"(\*|\d{1,2})/(\d{1,2})", field)
    if match is None or not int(match[2]):
        return field
    start, step = first if match[1] == "*" else int(match[1]), int(match[2])
    if size % step == 0 and step < size:
        return field
    return ",".join(str(value) for value in range(start, first + size, step)) or field
