"""A run of a schedule that could not be started shows on the schedule, on the front page and beforehand."""

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from backups.models import BackupSchedule
from backups.service.automation.schedules import start_due
from backups.service.schedules.planning import set_further
from destinations.models import BackupDestination
from tests.support.pages.front_page import INDEX, banner, row
from tests.support.pages.parsed import page_at
from tests.support.pages.schedule_pages import LIST, SEE, a_schedule, url
from tests.support.protected import a_protected_backup
from tests.support.rows import VIEW, Status, a_client, a_destination, an_execution

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("worker")]
HOUR = timedelta(hours=1)


@pytest.fixture
def refused() -> BackupSchedule:
    """A schedule whose slot came while its destination was disabled, five minutes after a good backup."""
    schedule = a_schedule()
    a_protected_backup("shop")
    a_protected_backup("wiki")
    BackupDestination.objects.update(enabled=False)
    BackupSchedule.objects.update(next_run=timezone.now())
    assert start_due("backups") == []
    schedule.refresh_from_db()
    return schedule


def test_the_schedule_keeps_the_reason_and_the_time(refused: BackupSchedule) -> None:
    assert (refused.last_status, refused.last_error) == ("failed", "Destination nas is disabled.")
    assert refused.last_run is not None
    (listed,) = page_at(a_client(SEE), LIST).listed()
    assert listed.field("last_error").text == "Destination nas is disabled."
    assert "Destination nas is disabled." in page_at(a_client(SEE, name="carol"), url(refused)).html


def test_the_front_page_is_not_green_and_names_schedule_and_reason(refused: BackupSchedule) -> None:
    client = a_client(VIEW, SEE)
    severity, text = banner(client)
    assert severity == "warning"
    assert "Schedule nightly of shop failed: Destination nas is disabled" in text
    assert row(client, "shop").all(data_reason="schedule-failing:nightly")
    (notice,) = page_at(client, INDEX).all(data_notice="schedule-failed")
    assert (notice["data-about"], notice.field("message").text) == ("nightly", "Destination nas is disabled.")
    assert url(refused) in notice.links()


def test_a_backup_by_hand_leaves_a_warning_and_a_run_of_the_schedule_clears_it(refused: BackupSchedule) -> None:
    a_protected_backup("shop", age=timedelta())
    client = a_client(VIEW)
    assert row(client, "shop").one(data_reason="*")["data-reason"] == "schedule-failing:nightly"
    assert banner(client)[0] == "warning"
    BackupSchedule.objects.update(consecutive_failures=0, last_error="", last_status="completed")
    BackupDestination.objects.update(enabled=True)
    assert banner(client)[0] == "good"


def test_the_page_of_a_schedule_lists_its_runs(refused: BackupSchedule) -> None:
    other = a_schedule("other", destination=refused.destination)
    an_execution("shop", schedule=other)
    slot = timezone.now() - HOUR
    failed = an_execution("shop", schedule=refused, scheduled_for=slot, status=Status.FAILED, error_message="disk full")
    section = page_at(a_client(VIEW, SEE), url(refused)).section("runs")
    assert section.rows() == [failed.pk]
    run = section.row(failed.pk)
    assert run.facts("scheduled_for", "error_message") == {
        "scheduled_for": slot.isoformat(),
        "error_message": "disk full",
    }
    assert reverse("admin:backups_backupexecution_change", args=[failed.pk]) in run.links()
    assert "runs" not in page_at(a_client(SEE, name="carol"), url(refused)).sections()


def test_saving_a_disabled_destination_says_what_follows_for_each_schedule(admin: Client) -> None:
    destination, vault = a_destination(), a_destination("vault")
    a_schedule()
    a_schedule("paused", enabled=False)
    set_further(a_schedule("both"), [vault])
    set_further(a_schedule("weekly", destination=vault), [destination])
    page = page_at(admin, reverse("admin:destinations_backupdestination_change", args=[destination.pk]), {
        "name": destination.name, "encryption": destination.encryption, "option_root": "",
    })  # fmt: skip
    both, nightly, weekly = page.message_texts("warning")
    assert "both" in both and "weekly" in weekly and "nightly" in nightly
    assert "runs fail" in nightly
    assert all("lack their copy" in text and "fail" not in text for text in (both, weekly))
