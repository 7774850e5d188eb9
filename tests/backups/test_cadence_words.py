import pytest

from backups.cadence_words import in_words

ZONE = "Europe/Berlin"


@pytest.mark.parametrize(
    ("type_", "expression", "words"),
    [
        ("cron", "0 2 * * *", "every day at 02:00 (Europe/Berlin)"),
        ("cron", "30 2 * * 1-5", "Monday to Friday at 02:30 (Europe/Berlin)"),
        ("cron", "30 14 * * 0", "every Sunday at 14:30 (Europe/Berlin)"),
        ("cron", "30 14 * * 7", "every Sunday at 14:30 (Europe/Berlin)"),
        ("cron", "5 4 1 * *", "on day 1 of every month at 04:05 (Europe/Berlin)"),
        ("cron", "* * * * *", "every minute"),
        ("cron", "*/15 * * * *", "every 15 minutes"),
        ("cron", "7 * * * *", "every hour at minute 7"),
        ("cron", "*/7 * * * *", "cron */7 * * * * (Europe/Berlin)"),
        ("cron", "0 2 29 2 *", "cron 0 2 29 2 * (Europe/Berlin)"),
        ("cron", "0 2 1 * 1", "cron 0 2 1 * 1 (Europe/Berlin)"),
        ("cron", "0 2,14 * * *", "cron 0 2,14 * * * (Europe/Berlin)"),
        ("cron", "nonsense", "cron nonsense (Europe/Berlin)"),
        ("interval", "hours:24", "every day"),
        ("interval", "hours:6", "every 6 hours"),
        ("interval", "minutes:90", "every 90 minutes"),
        ("interval", "seconds:90", "every 90 seconds"),
        ("interval", "nonsense", "nonsense"),
        ("custom", "first-workday", "as first-workday says"),
        ("manual", "", "only when told to"),
    ],
)
def test_a_rhythm_is_told_in_words_where_they_are_shorter(type_: str, expression: str, words: str) -> None:
    assert in_words(type_, expression, ZONE) == words
