"""Sizes, durations, counts and names as people read them."""

from datetime import timedelta

import pytest

from destinations.lib.formats import counted, human_count, human_duration, human_size, printable, rough_duration, signed


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (None, "-"),
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (9_949, "9.9 kB"),
        (9_950, "10 kB"),
        (999_499, "999 kB"),
        (999_500, "1.0 MB"),
        (1_500_000_000, "1.5 GB"),
        (2**63 - 1, "9.2 EB"),
    ],
)
def test_sizes_are_read_in_decimal_units(count: int | None, text: str) -> None:
    assert human_size(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "0 ms"),
        (0.0123, "12 ms"),
        (0.95, "0.9 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (59.6, "1 min"),
        (60, "1 min"),
        (61, "1 min 1 s"),
        (3599, "59 min 59 s"),
        (3600, "1 h"),
        (7_260, "2 h 1 min"),
        (86_399, "23 h 59 min"),
        (90_000, "1 d 1 h"),
    ],
)
def test_durations_show_their_two_largest_units(seconds: float, text: str) -> None:
    assert human_duration(timedelta(seconds=seconds)) == human_duration(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "0 s"),
        (0.9, "0 s"),
        (59.9, "59 s"),
        (3599, "59 min"),
        (7_300, "2 h"),
        (47 * 3600, "47 h"),
        (48 * 3600, "2 days"),
        (400 * 86_400, "400 days"),
    ],
)
def test_rough_durations_show_their_largest_unit_and_hours_up_to_two_days(seconds: float, text: str) -> None:
    assert rough_duration(timedelta(seconds=seconds)) == text


def test_what_is_not_known_is_a_dash() -> None:
    assert human_duration(None) == human_count(None) == signed(None) == human_size(None) == "-"


def test_counts_have_separators_and_their_noun_in_the_plural() -> None:
    assert [counted(number, "entry", "entries") for number in (0, 1, 2_000)] == [
        "0 entries",
        "1 entry",
        "2,000 entries",
    ]
    assert counted(2, "row") == "2 rows"
    assert [human_count(1_000_000), signed(1_000), signed(-1), signed(0)] == ["1,000,000", "+1,000", "-1", "0"]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain ünïcødé 文字 'quoted'", "plain ünïcødé 文字 'quoted'"), ("a\nb\r\tc", "a\\nb\\r\\tc"),
        ("\x1b[31mred", "\\x1b[31mred"), ("\u2028\u202e", "\\u2028\\u202e"), ("caf\udce9", "caf\\udce9"),
    ],
)  # fmt: skip
def test_a_name_stands_on_one_line_whatever_it_holds(text: str, shown: str) -> None:
    assert printable(text) == shown
    printable(text).encode()
