"""The rhythm of a schedule in words, for the forms that words are shorter for; the expression itself for the others."""

import re
from datetime import timedelta

from backups.cadence import parse_interval
from backups.errors import BackupError

DAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
UNITS = ((timedelta(days=1), "day"), (timedelta(hours=1), "hour"), (timedelta(minutes=1), "minute"))


def in_words(type_: str, expression: str, zone: str) -> str:
    """Return for example "every day at 02:00 (Europe/Berlin)", "every 15 minutes" or "only when told to"."""
    if type_ == "manual":
        return "only when told to"
    if type_ == "custom":
        return f"as {expression} says"
    return _interval(expression) if type_ == "interval" else _cron(expression, zone)


def _interval(expression: str) -> str:
    try:
        length = parse_interval(expression)
    except BackupError:
        return expression
    unit, word = next(((unit, word) for unit, word in UNITS if not length % unit), (timedelta(seconds=1), "second"))
    count = length // unit
    return f"every {word}" if count == 1 else f"every {count} {word}s"


def _cron(expression: str, zone: str) -> str:
    minute, hour, day, month, weekday = expression.split() if len(expression.split()) == 5 else [""] * 5
    if (hour, day, month, weekday) == ("*",) * 4 and (words := _minutes(minute)):
        return words
    if not (_is_number(minute) and _is_number(hour)) or month != "*":
        return f"cron {expression} ({zone})"
    at = f"at {int(hour):02}:{int(minute):02} ({zone})"
    match day, weekday:
        case "*", "*":
            return f"every day {at}"
        case "*", ("1-5" | "mon-fri" | "MON-FRI"):
            return f"Monday to Friday {at}"
        case "*", _ if re.fullmatch(r"[0-7]", weekday):
            return f"every {DAYS[int(weekday)]} {at}"
        case _, "*" if _is_number(day):
            return f"on day {int(day)} of every month {at}"
    return f"cron {expression} ({zone})"


def _minutes(minute: str) -> str:
    if minute in ("*", "*/1"):
        return "every minute"
    if (step := re.fullmatch(r"\*/(\d+)", minute)) and 60 % int(step[1]) == 0:
        return f"every {step[1]} minutes"
    return f"every hour at minute {int(minute)}" if _is_number(minute) else ""


def _is_number(text: str) -> bool:
    return re.fullmatch(r"\d{1,2}", text) is not None
