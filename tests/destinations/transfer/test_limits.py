"""Bandwidth limits: how they are written, and when which of them holds."""

from datetime import UTC, datetime, time

import pytest
from django.core.exceptions import ValidationError

from destinations.transfer.limits import Throttle, Window, parse_limits


@pytest.mark.parametrize(
    ("text", "windows"),
    [
        ("", ()),
        ("  ", ()),
        ("2 MB/s", (Window(2_000_000),)),
        ("500kB/s", (Window(500_000),)),
        ("1.5 MiB/s", (Window(1_572_864),)),
        ("2 MB/s from 08:00 to 18:00", (Window(2_000_000, time(8), time(18)),)),
        ("2 MB/s from 08:00 to 18:00, 10 MB/s", (Window(2_000_000, time(8), time(18)), Window(10_000_000))),
    ],
)
def test_limits_are_read(text: str, windows: tuple[Window, ...]) -> None:
    assert parse_limits(text) == windows


@pytest.mark.parametrize(
    "text",
    ["2", "2 MB", "fast", "0 MB/s", "1 B/s", "-1 MB/s", "2 MB/s from 8 to 18", "2 MB/s from 25:00 to 26:00", "2 MB/s,"],
)
def test_what_is_no_limit_is_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        parse_limits(text)


@pytest.mark.parametrize(
    ("begin", "end", "inside", "outside"),
    [
        (time(8), time(18), [time(8), time(17, 59)], [time(7, 59), time(18), time(0)]),
        (time(22), time(6), [time(22), time(23, 59), time(0), time(5, 59)], [time(6), time(12), time(21, 59)]),
        (time(0), time(0), [time(0), time(12)], []),
    ],
)
def test_a_window_holds_between_its_times_also_over_midnight(
    begin: time, end: time, inside: list[time], outside: list[time]
) -> None:
    window = Window(1000, begin, end)
    assert all(window.holds_at(moment) for moment in inside)
    assert not any(window.holds_at(moment) for moment in outside)


class Clock:
    """A day that passes only while somebody sleeps."""

    def __init__(self, begin: datetime) -> None:
        self.begin, self.passed = begin, 0.0

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.begin.timestamp() + self.passed, UTC)

    def monotonic(self) -> float:
        return self.passed

    def sleep(self, seconds: float) -> None:
        self.passed += seconds


def throttle(text: str, clock: Clock) -> Throttle:
    return Throttle(parse_limits(text), now=clock.now, monotonic=clock.monotonic, sleep=clock.sleep)


def test_the_lowest_limit_that_holds_now_counts_and_changes_with_the_clock() -> None:
    clock = Clock(datetime(2026, 11, 27, 17, 59, 50, tzinfo=UTC))
    limit = throttle("1 MB/s from 08:00 to 18:00, 10 MB/s", clock)
    for _ in range(30):
        limit.pace(1_000_000, checkpoint=lambda: None)
    # 10 MB until six, the other 20 MB ten times as fast
    assert clock.passed == pytest.approx(12, abs=0.5)


def test_without_a_limit_that_holds_nothing_waits() -> None:
    clock = Clock(datetime(2026, 11, 27, 20, 0, tzinfo=UTC))
    limit = throttle("1 MB/s from 08:00 to 18:00", clock)
    limit.pace(10**9, checkpoint=lambda: None)
    assert clock.passed == 0


def test_what_was_not_used_is_not_saved_up() -> None:
    clock = Clock(datetime(2026, 11, 27, 12, 0, tzinfo=UTC))
    limit = throttle("1 MB/s", clock)
    clock.sleep(60)
    limit.pace(5_000_000, checkpoint=lambda: None)
    assert clock.passed - 60 == pytest.approx(5, abs=0.3)


def test_a_large_block_is_waited_for_in_steps_that_a_cancel_ends() -> None:
    class CancelledError(Exception):
        pass

    clock, looks = Clock(datetime(2026, 11, 27, 12, 0, tzinfo=UTC)), []

    def checkpoint() -> None:
        looks.append(clock.passed)
        if len(looks) == 5:
            raise CancelledError

    with pytest.raises(CancelledError):
        throttle("1 MB/s", clock).pace(100_000_000, checkpoint=checkpoint)
    assert clock.passed < 2
