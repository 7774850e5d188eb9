"""A cron expression for days that not every month has."""

import pytest

from backups.service.schedules.describe import cadence_in_words


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("0 2 31 * *", "at 02:00, on day 31 of each month that has it (UTC)"),
        ("0 2 28 * *", "at 02:00, on day 28 of the month (UTC)"),
        ("0 2 1,31 * *", "at 02:00, on day 1 and 31 of the month (UTC)"),
    ],
)
def test_a_day_that_some_months_lack_is_not_promised_of_every_month(expression: str, words: str) -> None:
    assert cadence_in_words("cron", expression, "UTC") == words
