"""A schedule that names a disabled destination says what follows: on its page, in the check and in its backups."""

from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from backups.checks.cadences import check_destinations_of_schedules
from backups.models import BackupExecution, BackupSchedule
from backups.service.backup.run import run_backup
from backups.service.backup.start import start_backup
from backups.service.copying.start import start_due
from backups.service.schedules.describe import disabled_in_words
from backups.service.schedules.planning import set_further
from destinations.models import BackupDestination
from tests.support.pages.admin_pages import url
from tests.support.pages.parsed import page_at
from tests.support.pages.schedule_pages import EDIT, SEE, a_schedule
from tests.support.pages.schedule_pages import url as url_of_schedule
from tests.support.rows import VIEW, a_client, a_destination

pytestmark = pytest.mark.django_db
Kind = BackupExecution.Kind


@pytest.fixture
def schedule(destination: BackupDestination) -> BackupSchedule:
    row = a_schedule(destination=destination)
    set_further(row, [a_destination("vault", enabled=False)])
    return BackupSchedule.objects.get()


def ids() -> list[str | None]:
    return [message.id for message in check_destinations_of_schedules(None, ["default"])]


def test_the_page_and_the_check_say_so(schedule: BackupSchedule) -> None:
    assert "lack their copy there until vault is enabled" in disabled_in_words(schedule)
    client = a_client(SEE, EDIT)
    assert "vault" in page_at(client, url_of_schedule(schedule)).notice("disabled-destination").text
    assert ids() == ["backups.W072"]
    BackupDestination.objects.update(enabled=False)
    assert "its runs fail" in disabled_in_words(BackupSchedule.objects.get())
    BackupSchedule.objects.update(enabled=False)
    assert ids() == []
    BackupSchedule.objects.update(enabled=True)
    BackupDestination.objects.update(enabled=True)
    assert ids() == []
    assert "disabled-destination" not in page_at(client, url_of_schedule(schedule)).notices()


@pytest.mark.django_db(transaction=True)
def test_its_backups_lack_a_copy_until_the_destination_is_enabled_again(
    small_shop: Path, schedule: BackupSchedule
) -> None:
    backup = run_backup(start_backup("shop", schedule.destinations, by="tests", kind=Kind.SCHEDULED).pk)
    assert backup.copies_state == "missing"
    tomorrow = timezone.now() + timedelta(days=1)
    assert start_due("backups", tomorrow) == []
    page = page_at(a_client(VIEW), url(backup))
    assert not page.section("copies").all(data_field="copy_next_try_at")
    BackupDestination.objects.update(enabled=True)
    assert len(start_due("backups", tomorrow)) == 1
