"""The front page names causes: why a backup failed, why there are no instances, which services wait for a restart."""

from datetime import timedelta
from pathlib import Path

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from backups.models import InstanceState
from tests.support.pages.parsed import page_at
from tests.support.pages.restore_pages import a_restore
from tests.support.rows import Status, a_drill, an_execution

pytestmark = pytest.mark.django_db


def banner(client: Client) -> str:
    return page_at(client, "/admin/").field("banner").text


def test_the_banner_says_why_the_last_attempt_failed(admin: Client) -> None:
    for name in ("shop", "wiki"):
        an_execution(name, age=timedelta(hours=2))
    an_execution("shop", status=Status.FAILED, error_message="The disk of nas is full.")
    assert "of shop failed: The disk of nas is full." in banner(admin)


def test_the_banner_says_why_a_drill_failed_and_cuts_what_is_long(admin: Client) -> None:
    for name in ("shop", "wiki"):
        a_drill(an_execution(name), verdict="failed", error_message="It is damaged, " + "very " * 100 + "much.")
    text = banner(admin)
    assert "No backup of shop is known to restore: the last drill failed: It is damaged, very" in text
    assert len(text) < 500


def test_a_file_that_cannot_be_read_is_not_called_empty(admin: Client, settings: Settings, tmp_path: Path) -> None:
    del settings.BACKUP_INSTANCES
    settings.BACKUP_INSTANCES_FILE = tmp_path / "instances.toml"
    assert "nothing to back up yet" in banner(admin)
    settings.BACKUP_INSTANCES_FILE.write_text("[shop\n")
    assert "nothing to back up yet" not in banner(admin)
    assert "errors" in banner(admin)


def test_one_bar_names_every_service_that_waits_for_a_restart(admin: Client) -> None:
    for name in ("shop", "wiki"):
        done = a_restore(name)
        InstanceState.objects.update_or_create(
            instance=name, defaults={"restart_required_since": timezone.now(), "restart_required_by": done.pk}
        )
    for address in ("/admin/", "/admin/backups/backupexecution/"):
        notice = page_at(admin, address).notice("restart")
        assert notice.fields("instance") == ["shop", "wiki"]
        assert [field.text for field in notice.all(data_field="instance")] == ["shop", "wiki"]
