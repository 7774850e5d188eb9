"""The page of one instance, and what differs from its last backup."""

from collections.abc import Callable
from pathlib import Path

import pytest
from django.test import Client
from pytest_django import Settings

from backups.instances.masking import masked_value
from backups.models import BackupExecution, BackupSchedule
from backups.service.rhythm import plan
from tests.backups.admin.pages import LIST, text
from tests.backups.factories import VIEW, a_client, a_destination, an_execution

BackUp = Callable[..., BackupExecution]
SEE_SCHEDULES = "view_backupschedule"


def url(name: str) -> str:
    return f"{LIST}instance/{name}/"


@pytest.fixture
def tacacs(tacacs_root: Path, settings: Settings) -> Path:
    settings.BACKUP_INSTANCES = None
    return tacacs_root / "config" / "tacacs.conf"


@pytest.mark.django_db
def test_it_shows_state_components_schedules_and_the_latest_backups(tmp_path: Path) -> None:
    plan(BackupSchedule(name="nightly", instance="shop", destination=a_destination(), expression="0 2 * * *"))
    an_execution("shop")
    page = text(a_client(VIEW, SEE_SCHEDULES), url("shop"))
    assert "State Safe Last good backup 5 min ago, 1.0 MB Last drill never Promised every 1 d 1 h Next run 20" in page
    assert f"Kind generic Root {tmp_path}/shop Queue " in page
    assert "Components orders sqlite orders.db" in page
    assert "Schedules Name Destination Rhythm Next run Last run nightly nas at 02:00, every day (UTC) 20" in page
    assert "Latest backups Started Status Kind Destination Size 5 min ago Completed Manual nas 1.0 MB" in page
    assert "Configuration since the last backup" not in page


@pytest.mark.django_db
def test_schedules_are_shown_to_those_who_may_see_them() -> None:
    page = text(a_client(VIEW), url("shop"))
    assert "No schedule backs it up by itself." not in page
    assert "Schedules Name" not in page
    assert "None yet." in page
    assert "No schedule backs it up by itself. Add one" in text(
        a_client(VIEW, "add_backupschedule", SEE_SCHEDULES, name="carol"), url("shop")
    )


@pytest.mark.django_db
def test_who_may_not_see_backups_is_refused() -> None:
    assert a_client(SEE_SCHEDULES).get(url("shop")).status_code == 403


@pytest.mark.django_db
def test_an_instance_that_never_was_is_not_found_and_one_that_is_gone_keeps_its_history(admin: Client) -> None:
    assert admin.get(url("never")).status_code == 404
    an_execution("gone")
    page = text(admin, url("gone"))
    assert "There is no instance 'gone' (known: shop, wiki)." in page
    assert "5 min ago Completed" in page


@pytest.mark.django_db(transaction=True)
def test_the_difference_to_the_last_backup_is_shown_key_by_key_and_masked(
    tacacs: Path, back_up: BackUp, admin: Client
) -> None:
    assert "there is no backup to compare with." in text(admin, url("tacacs-hq"))
    back_up()
    assert "It is as it was in the backup of just now" in text(admin, url("tacacs-hq"))
    old = tacacs.read_text()
    tacacs.write_text(old.replace("backup_count = 5", "backup_count = 7") + "\n[extra]\napi_token = hunter2\n")
    page = text(admin, url("tacacs-hq"))
    assert "2 keys differ from the backup of" in page
    assert "backup_count 7 5" in page
    assert f"[extra] api_token {masked_value('password', 'hunter2')} not set" in page
    assert "hunter2" not in page
    tacacs.write_text("nonsense")
    assert "nonsense" not in text(admin, url("tacacs-hq")).replace("tacacs-hq", "")
    assert "is not a configuration file: line 1: a key before the first section" in text(admin, url("tacacs-hq"))
