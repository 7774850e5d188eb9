from datetime import UTC, datetime, timedelta

import pytest
from pytest_django import Settings

from backups.admin.shared import formats

NOW = datetime(2026, 3, 29, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-60, "just now"),
        (4, "just now"),
        (5, "5 s ago"),
        (61, "1 min ago"),
        (7_300, "2 h ago"),
        (47 * 3600, "47 h ago"),
        (48 * 3600, "2 days ago"),
        (400 * 86_400, "400 days ago"),
    ],
)
def test_ages_are_in_their_largest_unit_and_in_hours_up_to_two_days(seconds: int, text: str) -> None:
    assert formats.age(NOW - timedelta(seconds=seconds), now=NOW) == text


def test_exact_times_name_the_time_zone_of_the_site(settings: Settings) -> None:
    settings.TIME_ZONE = "Europe/Vienna"
    assert formats.exact(NOW) == "2026-03-29 14:00:00 CEST"
    assert formats.clock(NOW) == "14:00:00"


def test_what_is_not_there_is_a_dash() -> None:
    assert formats.age(None) == formats.exact(None) == formats.until(None) == "-"


def test_a_sentence_ends_with_one_full_stop_and_keeps_the_name_it_begins_with() -> None:
    assert formats.sentence("orders: it is locked ") == "orders: it is locked."
    assert formats.sentence("Done.") == "Done."
    assert formats.sentence("") == ""
