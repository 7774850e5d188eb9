"""A schedule by its name, in words, and in values for scripts."""

import re
from datetime import timedelta
from functools import lru_cache
from typing import Any

from cron_descriptor import ExpressionDescriptor, Options
from cron_descriptor.Exception import FormatException

from backups.errors import BackupError
from backups.models import BackupSchedule
from backups.service.schedules.cadence import SIZES, parse_interval
from destinations.lib.formats import as_text, counted, listed

UNITS = ((timedelta(days=1), "day"), (timedelta(hours=1), "hour"), (timedelta(minutes=1), "minute"))
# the first minute, hour, day, month and weekday of a cron field
FIRST = (0, 0, 1, 1, 0)
SHORTEST_MONTH = 28


def find_schedule(name: str) -> BackupSchedule:
    schedule = (
        BackupSchedule.objects.select_related("destination")
        .prefetch_related("further__destination")
        .filter(name=name)
        .first()
    )
    if schedule is None:
        raise BackupError(f"There is no schedule {name!r}.", hint="`listschedules` prints their names.")
    return schedule


def describe_schedule(schedule: BackupSchedule) -> dict[str, Any]:
    """Return the values of `schedule` for scripts; times in ISO 8601."""
    moments = {name: getattr(schedule, name) for name in ("next_run", "last_run", "retry_at", "created_at")}
    return {
        "id": schedule.pk,
        "name": schedule.name,
        "instance": schedule.instance,
        "destination": schedule.destination.name,
        "destinations": [one.name for one in schedule.destinations],
        "type": schedule.type,
        "expression": schedule.expression,
        "time_zone": schedule.time_zone,
        "enabled": schedule.enabled,
        "last_status": schedule.last_status,
        "last_error": schedule.last_error,
        "consecutive_failures": schedule.consecutive_failures,
        "managed_by": schedule.managed_by,
    } | {name: moment.isoformat() if moment else None for name, moment in moments.items()}


def summary(schedule: BackupSchedule) -> str:
    when = f"next {schedule.next_run:%Y-%m-%d %H:%M} UTC" if schedule.next_run else "no next run"
    state = when if schedule.enabled else "paused"
    cadence = f"{schedule.type} {schedule.expression}".strip()
    last = f"last {schedule.last_status}" if schedule.last_status else "has not run"
    last += f" ({as_text(schedule.last_error)})" if schedule.last_error else ""
    where = f"{schedule.instance} to {', '.join(one.name for one in schedule.destinations)}"
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
