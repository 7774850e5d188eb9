from datetime import timedelta

import pytest

from backups.formats import human_duration
from destinations.redaction import printable


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.04, "0.0 s"), (59.94, "59.9 s"), (60, "1 min 0 s"), (3599, "59 min 59 s"), (3600, "1 h 0 min"),
        (86_399, "23 h 59 min"), (90_000, "1 d 1 h"),
    ],
)  # fmt: skip
def test_durations_are_told_in_their_two_largest_units(seconds: float, text: str) -> None:
    assert human_duration(timedelta(seconds=seconds)) == text


def test_what_has_not_begun_has_no_duration() -> None:
    assert human_duration(None) == "-"


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
