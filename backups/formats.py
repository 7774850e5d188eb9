"""Sizes, durations and counts as people read them."""

from collections.abc import Sequence
from datetime import timedelta

UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB", "PiB")


def printable(text: str) -> str:
    """Return `text` on one line: file names may hold line breaks, terminal codes and bytes that are no text."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def counted(number: int, noun: str) -> str:
    """Return ``1 row``, ``2,000 rows``."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def listed(words: Sequence[str]) -> str:
    """Return ``one``, ``one and two``, ``one, two and three``."""
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))


def human_size(size: int | None) -> str:
    """Return `size` (bytes) in binary units with three digits at most; a dash for None."""
    if size is None:
        return "-"
    value, unit = float(size), 0
    while value >= 1024 and unit < len(UNITS) - 1:
        value, unit = value / 1024, unit + 1
    if unit == 0:
        return f"{size} byte" if size == 1 else f"{size} bytes"
    return f"{value:.0f} {UNITS[unit]}" if value >= 100 else f"{value:.1f} {UNITS[unit]}"


def human_duration(duration: timedelta | None) -> str:
    """Return `duration` in its two largest units; a dash for None."""
    if duration is None:
        return "-"
    seconds = duration.total_seconds()
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days} d {hours} h"
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"
