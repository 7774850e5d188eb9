"""The further destinations of a schedule, in its form and in the list."""

import pytest

from backups.models import BackupSchedule
from backups.service.schedules.planning import set_further
from tests.support.pages.parsed import page_at
from tests.support.pages.schedule_pages import ADD, EDIT, LIST, SEE, typed, url
from tests.support.rows import a_client, a_destination

pytestmark = pytest.mark.django_db


def names(schedule: BackupSchedule) -> list[str]:
    return [one.name for one in BackupSchedule.objects.get(pk=schedule.pk).destinations]


def test_the_form_adds_changes_and_shows_them() -> None:
    nas, vault = a_destination("nas"), a_destination("vault")
    client = a_client("add_backupschedule", EDIT, SEE)
    client.post(ADD, typed(also_to=[nas.pk, vault.pk]))
    row = BackupSchedule.objects.get()
    assert names(row) == ["nas", "vault"]
    page = page_at(client, url(row))
    assert "checked" in page.one("input", name="also_to", value=vault.pk).attributes
    assert "checked" not in page.one("input", name="also_to", value=nas.pk).attributes
    assert "nas, vault" in page_at(client, LIST).html
    client.post(url(row), typed(also_to=[]))
    assert names(row) == ["nas"]
    set_further(row, [vault])
    BackupSchedule.objects.update(managed_by="configuration of shop")
    assert "vault" in page_at(client, url(row)).html
