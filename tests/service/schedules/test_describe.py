from datetime import UTC, datetime

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from backups.errors import BackupError
from backups.service.schedules.cadence import parse_cron, upcoming
from backups.service.schedules.describe import cadence_in_words
from tests.support.soak import examples

ZONE = "Europe/Berlin"
SUNDAY = datetime(2026, 3, 1, tzinfo=UTC)
# lowest and highest value of each cron field
FIELDS = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))


@pytest.mark.parametrize(
    ("type_", "expression", "words"),
    [
        ("cron", "0 2 * * *", "at 02:00, every day (Europe/Berlin)"),
        ("cron", "30 14 * * *", "at 14:30, every day (Europe/Berlin)"),
        ("cron", "0 2,14 * * *", "at 02:00 and 14:00, every day (Europe/Berlin)"),
        ("cron", "30 2 * * 1-5", "at 02:30, Monday through Friday (Europe/Berlin)"),
        ("cron", "30 2 * * mon-fri", "at 02:30, Monday through Friday (Europe/Berlin)"),
        ("cron", "30 14 * * 0", "at 14:30, only on Sunday (Europe/Berlin)"),
        ("cron", "30 14 * * 7", "at 14:30, only on Sunday (Europe/Berlin)"),
        ("cron", "5 4 1 * *", "at 04:05, on day 1 of the month (Europe/Berlin)"),
        ("cron", "0 2 1 * 1", "at 02:00, on day 1 of the month, or on Monday (Europe/Berlin)"),
        ("cron", "0 2 29 feb *", "at 02:00, on day 29 of the month, only in February (Europe/Berlin)"),
        ("cron", "0 2 l * *", "at 02:00, on the last day of the month (Europe/Berlin)"),
        ("cron", "0 2 * * L5", "at 02:00, on the last Friday of the month (Europe/Berlin)"),
        ("cron", "0 */6 * * *", "every 6 hours (Europe/Berlin)"),
        ("cron", "* * * * *", "every minute"),
        ("cron", "*/15 * * * *", "every 15 minutes"),
        ("cron", "7 * * * *", "at 7 minutes past the hour"),
        ("cron", "*/25 * * * *", "at 0, 25, and 50 minutes past the hour"),
        ("cron", "0 */10 * * *", "at 00:00, 10:00 and 20:00, every day (Europe/Berlin)"),
        ("cron", "0 2 */15 * *", "at 02:00, on day 1, 16, and 31 of the month (Europe/Berlin)"),
        ("cron", "0 2 */31 * *", "at 02:00, on day 1 of the month (Europe/Berlin)"),
        ("cron", "0 2 * * */3", "at 02:00, only on Sunday, Wednesday, and Saturday (Europe/Berlin)"),
        ("cron", "0 2 L,1 * *", "cron 0 2 L,1 * * (Europe/Berlin)"),
        ("cron", "0 *,2 * * *", "cron 0 *,2 * * * (Europe/Berlin)"),
        ("cron", "nonsense", "cron nonsense (Europe/Berlin)"),
        ("interval", "hours:24", "every day"),
        ("interval", "hours:6", "every 6 hours"),
        ("interval", "minutes:90", "every 90 minutes"),
        ("interval", "seconds:90", "every 90 seconds"),
        ("interval", "nonsense", "nonsense"),
        ("custom", "first-workday", "as first-workday says"),
        ("manual", "", "only when started by hand"),
    ],
)
def test_a_cadence_is_said_in_words(type_: str, expression: str, words: str) -> None:
    assert cadence_in_words(type_, expression, ZONE) == words


def test_uneven_steps_run_when_the_words_say() -> None:
    runs = upcoming(parse_cron("0 2 * * */3", "UTC"), SUNDAY, 6)
    assert [f"{run:%A}" for run in runs] == ["Sunday", "Wednesday", "Saturday"] * 2
    assert [run.day for run in upcoming(parse_cron("0 2 */15 * *", "UTC"), SUNDAY, 4)] == [1, 16, 31, 1]


@st.composite
def expressions(draw: st.DrawFn) -> str:
    """Fields of every form that cron knows; of some that are none."""
    fields = []
    for low, high in FIELDS:
        number = st.integers(low, high).map(str)
        step = st.integers(1, high).map(str)
        spans = st.tuples(number, number).map("-".join)
        stepped = st.tuples(st.one_of(st.just("*"), number, spans), step).map("/".join)
        one = st.one_of(st.just("*"), number, spans, stepped)
        fields.append(draw(st.one_of(one, st.lists(one, min_size=2, max_size=3).map(",".join))))
    fields[2] = draw(st.sampled_from((fields[2], "L", "15W")))
    fields[3] = draw(st.sampled_from((fields[3], "jan", "NOV-feb")))
    fields[4] = draw(st.sampled_from((fields[4], "L5", "sun", "mon-FRI")))
    return " ".join(fields)


@pytest.mark.soak
@examples(75)
@given(expressions())
@example("* 0 * 1,1/1 *")
def test_every_expression_that_a_schedule_may_have_has_words_without_gaps(expression: str) -> None:
    try:
        parse_cron(expression, "UTC")
    except BackupError:
        assume(False)
    words = cadence_in_words("cron", expression, "UTC")
    # the library cannot say a star or a step inside a list
    in_list = any("," in field and not {"*", "/"}.isdisjoint(field) for field in expression.split())
    assert words.startswith("cron ") <= in_list
    assert words and "  " not in words and "AM" not in words


@pytest.mark.soak
@examples(100)
@given(st.text(max_size=40))
def test_a_text_that_is_no_cron_expression_raises_nothing(text: str) -> None:
    assert cadence_in_words("cron", text, "UTC")
