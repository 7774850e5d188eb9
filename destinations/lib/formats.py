"""Sizes, durations, counts and printable text for people: for every layer, so plain Python."""

from collections.abc import Sequence
from datetime import timedelta

NOTHING = "-"
SIZE_UNITS = tuple(enumerate(("kB", "MB", "GB", "TB", "PB", "EB"), start=1))


def human_size(count: int | None) -> str:
    """Return `count` bytes in decimal (SI) units with two or three digits; a dash for None."""
    # not Django's filesizeformat: it divides by 1024 and names the result kB
    if count is None:
        return NOTHING
    if count < 1000:
        return f"{count} B"
    value, unit = next((count / 1000**power, unit) for power, unit in SIZE_UNITS if count < 999.5 * 1000**power)
    return f"{value:.1f} {unit}" if value < 9.95 else f"{value:.0f} {unit}"


def human_duration(period: timedelta | float | None) -> str:
    """Return the two largest units of `period`, a number being seconds; a dash for None.

    Tenths below ten seconds, milliseconds below one.
    """
    if period is None:
        return NOTHING
    seconds = max(period.total_seconds() if isinstance(period, timedelta) else period, 0.0)
    if seconds < 0.95:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    units = [(days, "d"), (hours, "h"), (minutes, "min"), (rest, "s")]
    first = next(index for index, (count, _) in enumerate(units) if count)
    return " ".join(f"{count} {unit}" for count, unit in units[first : first + 2] if count)


def rough_duration(period: timedelta) -> str:
    """Return the largest unit of `period`, rounded down: ``3 days``, ``26 h``, ``40 min``, ``5 s``."""
    seconds = max(int(period.total_seconds()), 0)
    # hours up to two days: "26 h" says more than "1 day"
    if seconds >= 2 * 86_400:
        return counted(seconds // 86_400, "day")
    if seconds >= 3600:
        return f"{seconds // 3600} h"
    return f"{seconds // 60} min" if seconds >= 60 else f"{seconds} s"


def human_count(number: int | None) -> str:
    """Return ``2,000``; a dash for None."""
    return NOTHING if number is None else f"{number:,}"


def signed(number: int | None) -> str:
    """Return a difference with its sign; a dash for None."""
    return NOTHING if number is None else f"{number:+,}" if number else "0"


def counted(number: int, noun: str, plural: str = "") -> str:
    """Return ``1 row``, ``2,000 rows``; `plural` is for a noun that takes more than an s."""
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"


def listed(words: Sequence[str]) -> str:
    """Return ``one``, ``one and two``, ``one, two and three``."""
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))


def printable(text: str) -> str:
    """Return `text` on one line: file names may hold line breaks, terminal codes and bytes that are no text."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def printable_lines(text: str) -> str:
    """Return `text` with its lines made `printable`."""
    return text if text.isprintable() else "\n".join(map(printable, text.split("\n")))


def is_text(text: str) -> bool:
    """Return whether `text` can be stored and sent: not where it carries bytes that are no UTF-8 as lone surrogates."""
    return text.isascii() or not any("\ud800" <= char <= "\udfff" for char in text)


def as_text(text: str) -> str:
    """Return `text` with what is no text spelt out: ``\\udce4`` stands for the byte e4."""
    return text if text.isascii() else text.encode(errors="backslashreplace").decode()
