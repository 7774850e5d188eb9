"""A destination is tested before it takes backups: by command and form, and before a backup exports anything."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from backups.models import BackupExecution
from backups.service.backup.run import backup_now
from destinations.exceptions import DestinationUnavailable
from destinations.models import BackupDestination
from tests.support.file_systems import remount_read_only, small_disk
from tests.support.sites.command_site import Site

ADD = f"{reverse('admin:destinations_backupdestination_add')}?type=local"


@pytest.fixture
def missing_root(tmp_path: Path, settings: Settings) -> Path:
    settings.BACKUP_ROOT = tmp_path / "not mounted"
    return tmp_path / "not mounted"


def test_the_first_destination_of_a_fresh_home_takes_a_test_file(tmp_path: Path, migrated_database: Path) -> None:
    site = Site(tmp_path)
    site.home.mkdir(mode=0o700)
    shutil.copy(migrated_database, site.home / "backupsite.sqlite3")
    added = site.run("adddestination", "local", "--type", "local", "--json")
    assert (added.code, added.data["tested"], added.data["enabled"]) == (0, True, True)
    assert (site.home / "backups").stat().st_mode & 0o777 == 0o700


def test_a_missing_root_that_was_set_is_refused_with_the_command_that_makes_it(
    db: None, missing_root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(CommandError, match=r"mkdir -p -m 700 '.*/not mounted'") as refused:
        call_command("adddestination", "nas", "--type", "local")
    assert "--untested" in str(refused.value)
    assert not BackupDestination.objects.exists()

    call_command("adddestination", "nas", "--type", "local", "--untested", "--json")
    added = json.loads(capsys.readouterr().out)
    assert (added["tested"], added["enabled"]) == (False, False)
    with pytest.raises(CommandError, match="does not exist"):
        call_command("testdestination", "nas", "--enable")
    assert not BackupDestination.objects.get().enabled
    missing_root.mkdir()
    call_command("testdestination", "nas", "--enable")
    assert BackupDestination.objects.get().enabled


def test_the_form_tests_what_is_added_enabled_or_moved_and_saves_a_disabled_one_untested(
    missing_root: Path, staff: Callable[..., Client]
) -> None:
    client = staff("add_backupdestination", "change_backupdestination", "view_backupdestination")
    data = {"name": "nas", "option_path": "nas", "encryption": "", "retention_strategy": ""}
    refused = client.post(ADD, data | {"enabled": "on"})
    assert refused.status_code == 200
    (error,) = refused.context["adminform"].form.non_field_errors()
    assert "mkdir" in error and "disabled" in error
    assert client.post(ADD, data).status_code == 302

    nas = BackupDestination.objects.get()
    change = reverse("admin:destinations_backupdestination_change", args=[nas.pk])
    assert client.post(change, data | {"enabled": "on"}).status_code == 200
    assert client.post(change, data | {"option_path": "other"}).status_code == 302
    BackupDestination.objects.update(enabled=True)
    # what is enabled already may be edited while its disk is away
    assert client.post(change, data | {"option_path": "other", "enabled": "on", "retention_days": 9}).status_code == 302
    assert client.post(change, data | {"enabled": "on"}).status_code == 200
    nas.refresh_from_db()
    assert (nas.enabled, nas.retention_days, nas.config_json) == (True, 9, {"path": "other"})


@pytest.mark.parametrize("fault", ["missing", "emptied", "read-only"])
@pytest.mark.usefixtures("small_shop")
def test_a_destination_that_cannot_take_the_archive_ends_a_backup_before_anything_is_exported(
    fault: str, destination: BackupDestination, home: Path, archives: Callable[[], list[str]]
) -> None:
    with small_disk(home / "backups", megabytes=1) as disk:
        if fault == "missing":
            destination.configure({})
            destination.established = True
            destination.save()
        elif fault == "emptied":
            (disk / "nas").mkdir()
            destination.established = True
            destination.save()
        else:
            remount_read_only(disk)
        with pytest.raises(DestinationUnavailable):
            backup_now("shop", destination, by="tests")
    (backup,) = BackupExecution.objects.all()
    assert (backup.status, [stage for stage, _ in backup.timeline if stage == "exporting"]) == ("failed", [])
    assert backup.error_hint
    assert archives() == []
