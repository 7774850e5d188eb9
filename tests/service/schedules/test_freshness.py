"""An instance is overdue when a slot and the grace have passed without a good backup."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from backups.models import BackupSchedule
from backups.service.automation.by_hand import edit
from backups.service.schedules.freshness import freshness_by_instance, max_ages
from tests.support.rows import a_destination

pytestmark = pytest.mark.django_db
OFFICE_HOURS = "*/10 8-17 * * 1-5"
LONG_AGO = datetime(2025, 1, 1, tzinfo=UTC)
# a Friday; the Monday after it is the 30th
FRIDAY = datetime(2026, 11, 27, tzinfo=UTC)


def at(day: int, hour: int, minute: int = 0) -> datetime:
    """Return a moment in November 2026."""
    return datetime(2026, 11, day, hour, minute, tzinfo=UTC)


def a_schedule(expression: str, type_: str = "cron", **fields: Any) -> BackupSchedule:
    values = {"name": f"s{BackupSchedule.objects.count()}", "active_since": LONG_AGO, **fields}
    return BackupSchedule.objects.create(
        instance="shop", destination=a_destination(), type=type_, expression=expression, **values
    )


def overdue_from(newest: datetime | None) -> datetime | None:
    return freshness_by_instance({"shop": newest})["shop"].overdue_from


@pytest.mark.parametrize(
    ("expression", "newest", "expected"),
    [
        # in the last slot of the day, of the week, and in one of those in between
        (OFFICE_HOURS, at(26, 17, 50), at(27, 9)),
        (OFFICE_HOURS, at(27, 17, 50), at(30, 9)),
        (OFFICE_HOURS, at(27, 9, 20), at(27, 10, 30)),
        # a Wednesday that was missed is overdue on Wednesday, and not after the longest gap, three days
        ("0 2 * * 1-5", at(24, 2), at(25, 3)),
        ("0 2 * * 1-5", at(27, 2), at(30, 3)),
        ("0 2 * * *", at(27, 1, 59), at(27, 3)),
        ("0 0 1 1 *", at(27, 0), datetime(2027, 1, 1, 1, tzinfo=UTC)),
    ],
)
def test_it_is_overdue_an_hour_after_the_first_slot_without_a_good_backup(
    expression: str, newest: datetime, expected: datetime
) -> None:
    a_schedule(expression)
    assert overdue_from(newest) == expected


def test_the_strictest_of_several_schedules_counts() -> None:
    a_schedule("0 2 * * 0", name="weekly")
    a_schedule("hours:6", "interval", name="often")
    a_schedule("", "manual", name="by-hand")
    a_schedule("* * * * *", name="paused", enabled=False)
    found = freshness_by_instance({"shop": at(27, 6, 1), "wiki": None})
    assert set(found) == {"shop"}
    assert (str(found["shop"].strictest), found["shop"].overdue_from) == ("often", at(27, 13))
    assert (found["shop"].automatic, found["shop"].paused) == (2, 1)


def test_a_slot_from_before_the_schedule_was_active_was_not_missed() -> None:
    a_schedule("hours:6", "interval", active_since=at(27, 14))
    # judged by 24 hours until the first slot
    assert overdue_from(at(27, 1)) == at(27, 19)
    assert overdue_from(at(26, 18)) == at(27, 18)
    assert overdue_from(at(20, 1)) == at(21, 1)
    assert overdue_from(at(27, 13)) == at(27, 19)
    assert overdue_from(at(27, 18)) == at(28, 1)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, at(29, 4)),
        # those that did not keep the cadence before: of a slot that is due, of a failure, of one that never ran
        ({"next_run": at(25, 11)}, at(23, 2)),
        ({"consecutive_failures": 1}, at(23, 2)),
        ({"last_run": None}, at(23, 2)),
        ({"enabled": False}, at(23, 2)),
    ],
)
def test_a_cadence_that_changes_between_two_slots_makes_nothing_overdue(
    fields: dict[str, Any], expected: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    # on a Wednesday
    monkeypatch.setattr(timezone, "now", lambda: at(25, 12))
    row = a_schedule("0 2 * * 0", **{"last_run": at(22, 2), "next_run": at(29, 2)} | fields)
    row.expression, row.enabled = "0 3 * * 0", True
    edit(row, ["expression", "enabled"])
    assert overdue_from(at(22, 2)) == expected


def test_without_a_good_backup_the_first_slot_of_the_schedule_counts() -> None:
    a_schedule("0 2 * * *", active_since=at(27, 14))
    assert overdue_from(None) == at(28, 3)


def test_a_cadence_with_errors_is_soon_overdue() -> None:
    a_schedule("0 3 31 2 *", active_since=at(27, 14))
    assert overdue_from(None) == at(27, 15)
    assert overdue_from(at(27, 10)) == at(27, 11)


@pytest.mark.parametrize(
    ("now", "oldest"),
    [
        # until the slot of Monday 8:00 is due the backup of Friday 17:50 is the newest there can be
        (at(28, 12), at(27, 17, 50)),
        (at(30, 8, 50), at(27, 17, 50)),
        # by day, two slots and an hour
        (at(27, 12, 5), at(27, 10, 55)),
    ],
)
def test_retention_takes_a_night_and_a_weekend_for_no_delay(
    now: datetime, oldest: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_schedule(OFFICE_HOURS)
    monkeypatch.setattr(timezone, "now", lambda: now)
    slack = now - oldest - max_ages(["shop"])["shop"]
    assert timedelta() >= slack > -timedelta(hours=1, minutes=1)
