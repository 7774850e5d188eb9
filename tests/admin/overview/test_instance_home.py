"""The page of an instance as its home: buttons by permission, the calendar of its backups, and its plots."""

from datetime import timedelta

import pytest
from django.utils import timezone

from backups.models import BackupCopy, BackupExecution, BackupSchedule
from tests.support.pages.parsed import page_at
from tests.support.pages.schedule_pages import a_schedule
from tests.support.protected import a_protected_backup
from tests.support.rows import VIEW, a_client, a_drill, an_execution

pytestmark = pytest.mark.django_db
DAYS = timedelta(days=1)
SHOP = "/admin/backups/instances/shop/"


@pytest.mark.parametrize(
    ("permissions", "actions"),
    [
        ([VIEW], set()),
        ([VIEW, "run_backup"], {"start", "drill"}),
        ([VIEW, "restore_backup"], {"restore"}),
        ([VIEW, "download_backup"], {"recovery_kit"}),
        ([VIEW, "view_backupschedule", "run_schedule"], {"pause"}),
    ],
)
def test_its_buttons_are_those_that_the_user_may_use(permissions: list[str], actions: set[str]) -> None:
    a_protected_backup("shop")
    a_schedule("nightly")
    assert page_at(a_client(*permissions), SHOP).section("actions").actions() == actions


def test_all_schedules_are_paused_and_resumed_except_declared_ones() -> None:
    for name in ("nightly", "weekly"):
        a_schedule(name)
    a_schedule("declared", managed_by="instances.toml")
    client = a_client(VIEW, "view_backupschedule", "run_schedule")
    enabled = BackupSchedule.objects.enabled().order_by("name").values_list("name", flat=True)
    for action, left in (("pause", ["declared"]), ("resume", ["declared", "nightly", "weekly"])):
        form = page_at(client, SHOP).section("actions").one("form", action=f"{SHOP}schedules/")
        assert form.one("input", name="action")["value"] == action
        client.post(form["action"], {"action": action})
        assert list(enabled.all()) == left
    assert a_client(VIEW, "view_backupschedule", name="eve").post(f"{SHOP}schedules/").status_code == 403
    # a link starts nothing
    client.post(f"{SHOP}schedules/", {"action": "pause"})
    assert client.get(f"{SHOP}schedules/", {"action": "resume"}).status_code == 302
    assert list(enabled.all()) == ["declared"]


def test_the_calendar_has_a_layer_of_backups_drills_copies_and_locks() -> None:
    old = an_execution("shop", age=3 * DAYS, deleted_at=timezone.now())
    a_drill(old, verdict="passed", age=2 * DAYS)
    locked = an_execution("shop", age=DAYS)
    BackupCopy.objects.filter(execution=locked).update(locked_until=timezone.now() + DAYS)
    calendar = page_at(a_client(VIEW), SHOP).section("calendar")
    assert calendar.rows() == ["backups", "drills", "copies", "locks"]
    found = {
        name: [(part["data-day"], part["d"]) for part in calendar.row(name).all("path")] for name in calendar.rows()
    }
    # sixty days of seven pixels: three days ago is number 56
    assert found == {
        "backups": [("none", "M0 7h391"), ("proven", "M392 7h6"), ("none", "M399 7h6"), ("good", "M406 7h6"),
                    ("none", "M413 7h6")],
        "drills": [("none", "M0 7h398"), ("proven", "M399 7h6"), ("none", "M406 7h13")],
        "copies": [("none", "M0 7h405"), ("good", "M406 7h6"), ("none", "M413 7h6")],
        "locks": [("none", "M0 7h405"), ("proven", "M406 7h6"), ("none", "M413 7h6")],
    }  # fmt: skip
    assert calendar.row("locks").all("path")[1].text == f"{timezone.localdate() - DAYS:%m-%d}: locked"


def test_sizes_records_and_recovery_times_are_plotted_with_their_tables() -> None:
    for age in (3, 2, 1):
        amount = {"component": "orders", "rows": 1000 * age, "files": None, "bytes": 8192 * age}
        backup = an_execution("shop", age=age * DAYS, amounts=[amount])
        a_drill(backup, verdict="passed", seconds=age * 10.0)
    plots = page_at(a_client(VIEW), SHOP).section("plots")
    assert plots.rows() == ["orders-size", "orders-records", "recovery"]
    records = plots.row("orders-records")
    assert [cell.text for cell in records.all("td")] == ["1,000", "2,000", "3,000"]
    assert records.one("polyline")["points"] == "0,90 0,4 300,33 600,61 600,90"
    assert [cell.text for cell in plots.row("recovery").all("td")] == ["10 s", "20 s", "30 s"]
    BackupExecution.objects.update(amounts=None)
    assert page_at(a_client(VIEW, name="eve"), SHOP).section("plots").rows() == ["recovery"]
