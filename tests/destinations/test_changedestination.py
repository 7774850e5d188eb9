"""changedestination, and the order and the reading budget in adddestination, as an operator runs them."""

from pathlib import Path

import pytest

from destinations.models import BackupDestination, DestinationTest
from tests.support.archives.stored import daily
from tests.support.call_commands import command, refused

pytestmark = pytest.mark.django_db


def test_order_and_budget_are_given_when_a_destination_is_added_and_changed_later(home: Path) -> None:
    added = command("adddestination", "usb", "--type", "local", "--position", 3, "--daily-read-mb", 500, "--json").data
    assert (added["position"], added["daily_read_mb"]) == (3, 500)
    changed = command("changedestination", "usb", "--position", 1, "--json").data
    assert (changed["position"], changed["daily_read_mb"], changed["changed"]) == (1, 500, ["position"])
    assert not changed["tested"], "where it is did not change"
    command("changedestination", "usb", "--no-daily-read-limit", "--encryption", "off")
    row = BackupDestination.objects.get()
    assert (row.position, row.daily_read_mb, row.encryption) == (1, None, "off")


def test_other_options_are_tested_before_they_are_saved(destination: BackupDestination, home: Path) -> None:
    (home / "backups" / "file").write_text("no folder")
    assert "its test failed" in refused("changedestination", "nas", "--option", "path=file")
    destination.refresh_from_db()
    assert destination.config_json["path"] == "nas"
    changed = command("changedestination", "nas", "--option", "path=elsewhere", "--json").data
    assert (changed["tested"], changed["enabled"], changed["location"]) == (True, True, f"{home}/backups/elsewhere")
    assert destination.tests.get().passed
    untested = command("changedestination", "nas", "--option", "path=file", "--untested", "--json").data
    assert (untested["tested"], untested["enabled"]) == (False, False)


def test_a_place_with_archives_a_declared_destination_and_nothing_to_change_are_refused(
    destination: BackupDestination, home: Path
) -> None:
    daily(destination, 2)
    said = refused("changedestination", "nas", "--option", "path=elsewhere")
    assert "2 of its archives" in said and "Add a new destination" in said
    assert refused("changedestination", "nas").startswith("Nothing to change")
    assert "contradict" in refused("changedestination", "nas", "--daily-read-mb", 1, "--no-daily-read-limit")
    assert "nas" in refused("changedestination", "cellar", "--position", 1)
    BackupDestination.objects.update(managed_by="configuration of app")
    assert "configuration of app" in refused("changedestination", "nas", "--position", 1)
    destination.refresh_from_db()
    assert (destination.config_json["path"], destination.position) == ("nas", 0)


def test_what_others_changed_during_the_test_stays(
    destination: BackupDestination, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tested = BackupDestination.tested

    def meanwhile(self: BackupDestination, *, user: str) -> DestinationTest:
        BackupDestination.objects.update(enabled=False, established=True, position=7)
        return tested(self, user=user)

    BackupDestination.objects.update(established=False)
    (home / "backups" / "nas").mkdir(exist_ok=True)
    monkeypatch.setattr(BackupDestination, "tested", meanwhile)
    assert not command("changedestination", "nas", "--option", "append_only=true", "--json").data["enabled"]
    destination.refresh_from_db()
    assert (destination.append_only, destination.enabled, destination.established) == (True, False, True)
    assert destination.position == 7
