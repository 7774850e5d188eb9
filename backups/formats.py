"""Durations and counts as people read them."""

from collections.abc import Sequence
from datetime import timedelta


def is_text(text: str) -> bool:
    """Tell whether `text` can be stored and sent: not where it carries bytes that are no UTF-8 as lone surrogates."""
    return text.isascii() or not any("\ud800" <= char <= "\udfff" for char in text)


def as_text(text: str) -> str:
    """Return `text` with what is no text spelt out: ``\\udce4`` stands for the byte e4."""
    return text if text.isascii() else text.encode(errors="backslashreplace").decode()


def counted(number: int, noun: str) -> str:
    """Return ``1 row``, ``2,000 rows``."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def listed(words: Sequence[str]) -> str:
    """Return ``one``, ``one and two``, ``one, two and three``."""
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))


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
