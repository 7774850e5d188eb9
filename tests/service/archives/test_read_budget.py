"""The daily reading budget of a destination: who heeds it, who is only counted, and what shows of it."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.urls import reverse
from django.utils import timezone

from backups.errors import PutOff
from backups.models import BackupCopy, BackupExecution, DrillExecution, InstanceState
from backups.service.archives.fetch import download_named, fetch_nearest
from backups.service.archives.read_back import read_back
from backups.service.automation.drills import start_due
from backups.service.backup.run import backup_now
from backups.service.copying.run import copy_now
from backups.service.drill.run import drill, run_drill, start_drill
from backups.service.monitoring.drills import drill_states
from destinations.backends import TYPES
from destinations.models import BackupDestination, DestinationReading, Reading, read_today
from destinations.models.destination_reading import today
from tests.support.archives.stored import stored
from tests.support.call_commands import command
from tests.support.memory_remote import SERVERS, MemoryRemote
from tests.support.pages.parsed import page_at
from tests.support.rows import VIEW, a_client
from tests.support.site_fixtures import Declare

pytestmark = pytest.mark.django_db
MB = 1_000_000


def budget(destination: BackupDestination, *, used: int) -> None:
    """Give `destination` a budget of one MB a day, of which `used` bytes are used."""
    BackupDestination.objects.filter(pk=destination.pk).update(daily_read_mb=1)
    destination.refresh_from_db()
    DestinationReading.objects.update_or_create(destination=destination, day=today(), defaults={"bytes": used})


def elsewhere(backup: BackupExecution, home: Path, name: str = "cellar") -> BackupDestination:
    """Return a destination with another copy of `backup`, which is read after the first one."""
    destination = BackupDestination(name=name, type="local", position=5, created_by="tests")
    destination.configure({})
    destination.save()
    copy = copy_now(backup, destination, by="tests").copy
    assert BackupCopy.objects.get(pk=copy.pk).is_sound
    return destination


@pytest.fixture
def backup(destination: BackupDestination, declare: Declare) -> BackupExecution:
    declare('[app]\nkind = "generic"\nroot = "/srv/app"\ncomponents.orders = {kind = "sqlite", path = "orders.db"}\n')
    return stored(destination)


def size_of(backup: BackupExecution) -> int:
    return backup.compressed_size_bytes or 0


def test_a_drill_reads_within_the_budget_and_is_counted(backup: BackupExecution) -> None:
    budget(backup.destination, used=0)
    assert drill(backup, by="tests").verdict == "passed"
    assert read_today(backup.destination) == size_of(backup) > 0


def test_a_drill_without_room_in_the_budget_is_put_off_and_leaves_no_failed_run(backup: BackupExecution) -> None:
    budget(backup.destination, used=MB - size_of(backup) + 1)
    ended = command("drill", backup.pk)
    assert (ended.code, ended.out) == (75, "")
    assert "nas (1.0 MB)" in ended.err
    assert command("verifybackup", backup.pk).code == 75
    assert not DrillExecution.objects.exists()
    backup.refresh_from_db()
    assert backup.flaw == ""


def test_the_last_byte_of_the_budget_may_be_read(backup: BackupExecution) -> None:
    budget(backup.destination, used=MB - size_of(backup))
    assert drill(backup, by="tests").verdict == "passed"
    assert read_today(backup.destination) == MB


def test_another_copy_with_room_in_its_budget_is_read_and_the_notes_say_so(backup: BackupExecution, home: Path) -> None:
    cellar = elsewhere(backup, home)
    budget(backup.destination, used=MB)
    run = drill(backup, by="tests")
    assert (run.verdict, read_today(backup.destination), read_today(cellar)) == ("passed", MB, size_of(backup))
    assert "nas" in run.warnings[0]


def test_a_queued_drill_that_finds_the_budget_used_up_is_cancelled_not_failed(backup: BackupExecution) -> None:
    queued = start_drill(backup, by="tests")
    budget(backup.destination, used=MB)
    with pytest.raises(PutOff):
        run_drill(queued.pk)
    queued.refresh_from_db()
    assert (queued.status, queued.verdict) == ("cancelled", "")
    assert "nas (1.0 MB)" in queued.error_message
    backup.refresh_from_db()
    assert backup.flaw == ""


def test_a_copy_without_budget_hides_that_another_one_is_lost(
    backup: BackupExecution, home: Path, tmp_path: Path
) -> None:
    elsewhere(backup, home)
    (home / "backups" / "cellar" / backup.backup_path).unlink()
    budget(backup.destination, used=MB)
    # of the one that was not read nothing is known: the archive is not said to be lost
    with pytest.raises(PutOff):
        fetch_nearest(backup, tmp_path, within_budget=True)


def test_restores_and_downloads_are_counted_and_never_refused(backup: BackupExecution, tmp_path: Path) -> None:
    budget(backup.destination, used=MB)
    assert fetch_nearest(backup, tmp_path).path.stat().st_size == size_of(backup)
    download_named(backup, by="tests")[1].close()
    assert read_today(backup.destination) == MB + 2 * size_of(backup)


def test_two_hosts_share_what_is_left_and_one_gives_back_what_it_did_not_read(
    destination: BackupDestination,
) -> None:
    budget(destination, used=0)
    first = Reading.within_budget(destination, 600_000)
    assert first is not None
    assert Reading.within_budget(destination, 600_000) is None
    first.settle(100_000)
    assert Reading.within_budget(destination, 600_000) is not None
    assert read_today(destination) == 700_000


def test_a_new_day_has_the_whole_budget_and_old_days_are_deleted(destination: BackupDestination) -> None:
    budget(destination, used=MB)
    DestinationReading.objects.update(day=today() - timedelta(days=1))
    DestinationReading.objects.create(destination=destination, day=today() - timedelta(days=200), bytes=5)
    assert Reading.within_budget(destination, MB) is not None
    assert [reading.bytes for reading in destination.readings.order_by("day")] == [MB, MB]


def test_the_day_is_that_of_the_site_for_every_user(
    destination: BackupDestination, settings: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.TIME_ZONE = "Pacific/Kiritimati"  # type: ignore[attr-defined]
    late = timezone.now().replace(year=2026, month=3, day=1, hour=23)
    monkeypatch.setattr(timezone, "now", lambda: late)
    with timezone.override("America/New_York"):
        assert (today().month, today().day) == (3, 2)


def test_a_regular_drill_is_put_off_with_a_reason_on_the_pages_and_starts_when_there_is_room(
    backup: BackupExecution, settings: object, caplog: pytest.LogCaptureFixture
) -> None:
    settings.BACKUP_DRILL_EVERY_DAYS = 7  # type: ignore[attr-defined]
    budget(backup.destination, used=MB)
    assert [start_due("backups"), start_due("backups")] == [None, None]
    assert not DrillExecution.objects.exists()
    assert caplog.text.count("drill.put-off") == 1
    assert "nas (1.0 MB)" in drill_states(["app"])["app"].put_off
    client = a_client(VIEW)
    for url in ("/admin/", reverse("admin:backups_instance", args=["app"])):
        page = page_at(client, url)
        assert "nas (1.0 MB)" in page.one(data_notice="drill-put-off").text
    DestinationReading.objects.update(bytes=0)
    assert start_due("backups") is not None
    assert InstanceState.objects.get(instance="app").drill_put_off == ""


def test_checkdestination_reads_what_lies_there_and_puts_off_the_rest(backup: BackupExecution, home: Path) -> None:
    cellar = elsewhere(backup, home)
    budget(cellar, used=MB - size_of(backup))
    checked = command("checkdestination", "cellar", "--read", 5, "--json").data
    assert ([item["id"] for item in checked["verified"]], checked["put_off"]) == ([backup.pk], [])
    # the copy here, though the one at nas is nearer
    assert (read_today(cellar), read_today(backup.destination)) == (MB, size_of(backup))
    again = command("checkdestination", "cellar", "--read", 5, "--json")
    assert (again.code, again.data["sound"], again.data["verified"]) == (0, True, [])
    assert [item["id"] for item in again.data["put_off"]] == [backup.pk]


def test_a_copy_that_is_damaged_there_is_found_and_the_backup_stays_good(backup: BackupExecution, home: Path) -> None:
    elsewhere(backup, home)
    file = home / "backups" / "cellar" / backup.backup_path
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    checked = command("checkdestination", "cellar", "--read", 1, "--json")
    assert checked.code == 1
    assert BackupCopy.objects.get(destination__name="cellar").condition == "damaged"
    backup.refresh_from_db()
    assert (backup.flaw, backup.verification) == ("", None)


@pytest.fixture
def remote(monkeypatch: pytest.MonkeyPatch, db: None) -> Iterator[BackupDestination]:
    """Return a destination beyond this machine that reads its uploads back."""
    monkeypatch.setitem(TYPES, "memory", MemoryRemote)
    destination = BackupDestination(name="far", type="memory", created_by="tests", encryption="allowed")
    destination.configure({"server": "budget"})
    destination.save()
    yield destination
    SERVERS.pop("budget", None)


def test_an_upload_is_read_back_within_the_budget(small_shop: Path, remote: BackupDestination) -> None:
    backup = backup_now("shop", remote, by="tests")
    assert backup.warnings == []
    # the archive, and its signature
    assert 0 < size_of(backup) <= read_today(remote) < size_of(backup) + 1000


def test_an_upload_without_room_in_the_budget_is_stored_and_its_backup_notes_what_was_left_out(
    small_shop: Path, remote: BackupDestination
) -> None:
    budget(remote, used=MB)
    backup = backup_now("shop", remote, by="tests")
    assert backup.status == "completed"
    assert len(backup.warnings) == 1 and "far" in backup.warnings[0]
    assert read_today(remote) == MB


# a type that resumes keeps its state from a connection of its own
@pytest.mark.django_db(transaction=True)
def test_what_an_attempt_under_a_taken_name_read_back_is_counted_once(remote: BackupDestination) -> None:
    with remote.open() as opened:
        for _ in range(2):
            with read_back(opened, remote, 10):
                opened.bytes_read_back += 10
    assert read_today(remote) == 20


def test_a_copy_that_is_not_read_back_says_so_on_its_page(backup: BackupExecution, remote: BackupDestination) -> None:
    budget(remote, used=MB)
    run = copy_now(backup, remote, by="tests")
    assert (run.status, len(run.warnings), BackupCopy.objects.get(pk=run.copy_id).is_sound) == ("completed", 1, True)


def test_showdestination_and_the_page_say_what_was_read_of_the_budget(backup: BackupExecution) -> None:
    budget(backup.destination, used=250_000)
    shown = command("showdestination", "nas", "--json").data
    assert (shown["daily_read_mb"], shown["read_today_bytes"]) == (1, 250_000)
    assert "250 kB of 1.0 MB" in command("showdestination", "nas").out
    client = a_client(VIEW, "view_backupdestination")
    page = page_at(client, f"/admin/destinations/backupdestination/{backup.destination.pk}/change/")
    assert page.one(data_field="read_today").attributes["data-value"] == "250000"
    assert page.one(data_field="daily_read_bytes").attributes["data-value"] == str(MB)
