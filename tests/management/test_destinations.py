"""The commands that look after destinations."""

from pathlib import Path

import pytest

from backups.models import BackupExecution
from destinations.models import BackupDestination
from tests.support.archives.stored import an_archive, daily, file_of, put, stored
from tests.support.call_commands import command, refused
from tests.support.pages.schedule_pages import a_schedule
from tests.support.rows import recopied

pytestmark = pytest.mark.django_db


def test_a_destination_is_shown_with_what_each_instance_holds_there(destination: BackupDestination) -> None:
    first = daily(destination, 2, "app")
    daily(destination, 1, "shop")
    lost = stored(destination, "old")
    BackupExecution.objects.filter(pk=lost.pk).update(missing_at=lost.completed_at)
    recopied()
    shown = command("showdestination", destination.name, "--json").data
    assert (shown["archives"], shown["missing"], shown["last_test"]) == (3, 1, None)
    assert {held["instance"]: held["archives"] for held in shown["instances"]} == {"app": 2, "shop": 1}
    assert shown["oldest"] == first[-1].created_at.isoformat()
    assert shown["size_bytes"] == sum(held["size_bytes"] for held in shown["instances"]) > 0
    assert command("listdestinations", "--json").data == [
        {key: value for key, value in shown.items() if key != "warnings"}
    ]
    assert destination.name in command("listdestinations").out


def test_the_last_test_is_shown_with_its_steps_and_its_error(
    destination: BackupDestination, tmp_path: Path, settings: object
) -> None:
    command("testdestination", destination.name)
    passed = command("showdestination", destination.name, "--json").data["last_test"]
    assert passed["passed"] and passed["steps"][0]["name"] == "write"
    destination.refresh_from_db()
    assert destination.free_bytes and destination.free_bytes_at
    settings.BACKUP_ROOT = tmp_path / "gone"  # type: ignore[attr-defined]
    assert command("testdestination", destination.name).code == 1
    shown = command("showdestination", destination.name, "--json").data["last_test"]
    assert not shown["passed"] and str(tmp_path / "gone") in shown["error"] and shown["hint"]
    assert shown["error"] in command("showdestination", destination.name).out


def test_a_sound_destination_is_said_to_be_sound_and_a_part_of_it_is_read(destination: BackupDestination) -> None:
    daily(destination, 3)
    checked = command("checkdestination", destination.name, "--read", 2, "--json")
    assert (checked.code, checked.data["sound"], checked.data["present"]) == (0, True, 3)
    assert len(checked.data["verified"]) == 2
    assert BackupExecution.objects.exclude(verified_at=None).count() == 2


def test_what_is_missing_cut_or_damaged_is_named_recorded_and_ends_with_one(destination: BackupDestination) -> None:
    missing, cut, damaged = daily(destination, 3)
    file_of(missing).unlink()
    file_of(cut).write_bytes(b"cut")
    data = bytearray(file_of(damaged).read_bytes())
    data[len(data) // 2] ^= 1
    file_of(damaged).write_bytes(data)
    put(destination, "app/manual/backup-app-20250101-000000-manual.tar.gz", an_archive())
    checked = command("checkdestination", destination.name, "--read", 9, "--json")
    assert checked.code == 1 and "3 archives" in checked.err
    found = {name: [item.get("id") for item in checked.data[name]] for name in ("missing", "changed", "bad", "unknown")}
    assert found == {"missing": [missing.pk], "changed": [cut.pk], "bad": [damaged.pk], "unknown": [None]}
    missing.refresh_from_db()
    damaged.refresh_from_db()
    assert missing.is_missing and damaged.verification_failed


def test_a_destination_that_cannot_be_listed_marks_nothing(
    destination: BackupDestination, tmp_path: Path, settings: object
) -> None:
    stored(destination)
    settings.BACKUP_ROOT = tmp_path / "gone"  # type: ignore[attr-defined]
    assert command("checkdestination", destination.name, "--read", 1).code == 1
    assert not BackupExecution.objects.missing().exists()


def test_a_disabled_destination_names_the_schedules_that_will_fail(
    destination: BackupDestination, caplog: pytest.LogCaptureFixture
) -> None:
    schedule = a_schedule(destination=destination)
    answer = command("disabledestination", destination.name, "--why", "the disk is replaced", "--json")
    assert answer.data == {
        "name": destination.name, "enabled": False, "schedules": [schedule.name], "lacking": [], "copies": 0
    }  # fmt: skip
    destination.refresh_from_db()
    assert not destination.enabled
    assert "the disk is replaced" in caplog.text


def test_a_declared_destination_is_disabled_where_it_is_declared(destination: BackupDestination) -> None:
    BackupDestination.objects.update(managed_by="configuration of app")
    assert "configuration of app" in refused("disabledestination", destination.name, "--why", "x")
    assert BackupDestination.objects.get().enabled
