"""Bandwidth limits with time windows, such as ``2 MB/s from 08:00 to 18:00``."""

import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from datetime import time as clock_time

from django.core.exceptions import ValidationError
from django.utils import timezone

FORM = (
    "A rate such as 2 MB/s or 500 kB/s, with 'from 08:00 to 18:00' for a part of the day; several with a comma between."
)
_UNITS = {"B": 1, "kB": 1000, "MB": 1000**2, "GB": 1000**3, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3}
_PART = re.compile(
    r"(?P<number>\d{1,6}(\.\d{1,3})?) ?(?P<unit>B|kB|MB|GB|KiB|MiB|GiB)/s"
    r"( from (?P<begin>\d\d:\d\d) to (?P<end>\d\d:\d\d))?"
)
# the longest time that may pass between two looks at the window and at a cancel
_STEP_SECONDS = 0.2


@dataclass(frozen=True)
class Window:
    """A rate in bytes a second, and the part of the day in which it holds; all day where both ends are equal."""

    rate: float
    begin: clock_time = clock_time()
    end: clock_time = clock_time()

    def holds_at(self, moment: clock_time) -> bool:
        if self.begin == self.end:
            return True
        if self.begin < self.end:
            return self.begin <= moment < self.end
        return moment >= self.begin or moment < self.end


def parse_limits(text: str) -> tuple[Window, ...]:
    """Return the windows of `text`; none for a blank one. Raises `ValidationError` (see `FORM`)."""
    return tuple(_parse(part.strip()) for part in text.split(",")) if text.strip() else ()


def _parse(part: str) -> Window:
    found = _PART.fullmatch(part)
    if found is None:
        raise ValidationError(f"{part!r} is not a limit.")
    rate = float(found["number"]) * _UNITS[found["unit"]]
    if rate < 1000:
        raise ValidationError(f"{part!r} is too slow to be useful: the least is 1 kB/s.")
    if not found["begin"]:
        return Window(rate)
    try:
        begin, end = clock_time.fromisoformat(found["begin"]), clock_time.fromisoformat(found["end"])
    except ValueError:
        raise ValidationError(f"{part!r} has a time that is not one of the day.") from None
    return Window(rate, begin, end)


class Throttle:
    """Keeps what is sent below the lowest limit that holds now, in the time zone of the site."""

    def __init__(
        self,
        windows: Iterable[Window],
        *,
        now: Callable[[], datetime] = timezone.localtime,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._windows = tuple(windows)
        self._now, self._monotonic, self._sleep = now, monotonic, sleep
        # the moment up to which what was sent uses the rate up
        self._until = monotonic()

    def pace(self, count: int, *, checkpoint: Callable[[], None]) -> None:
        """Wait until `count` more bytes may have been sent; `checkpoint` is called while it waits."""
        if not self._windows:
            return
        now = self._monotonic()
        # what was not used a while ago is not saved up
        self._until = max(self._until, now - _STEP_SECONDS)
        rest = float(count)
        while rest > 0:
            rate = min((window.rate for window in self._windows if window.holds_at(self._now().time())), default=0.0)
            if not rate:
                return
            # in steps: the limit of the next window begins at its time
            part = min(rest, rate * _STEP_SECONDS)
            self._until += part / rate
            rest -= part
            wait = self._until - self._monotonic()
            if wait > 0:
                self._sleep(wait)
            checkpoint()
