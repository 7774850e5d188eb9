"""When keys are checked, by whom, and what the command says."""

from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone
from pytest_django import Settings

from backups.models import KeyCheck
from backups.service.keys import check
from backups.service.keys.check import check_due
from backups.worker import tick as housekeeping
from destinations.models import BackupDestination
from tests.support.archives.age_files import OTHER_RECIPIENT
from tests.support.call_commands import command
from tests.support.pages.parsed import page_at
from tests.support.rows import VIEW, a_client, a_destination, an_execution
from tests.support.site_fixtures import BackUp

pytestmark = pytest.mark.django_db(transaction=True)


def test_each_destination_is_checked_once_a_day_by_whoever_comes_first(
    shop: Path, identity: Path, destination: BackupDestination, back_up: BackUp, monkeypatch: pytest.MonkeyPatch
) -> None:
    back_up("shop")
    checked = []
    monkeypatch.setattr(check, "check_keys", lambda destination: checked.append(destination) or [])
    check_due()
    check_due()
    assert checked == [destination]
    KeyCheck.objects.update(next_at=timezone.now() + timedelta(minutes=1))
    check_due()
    assert checked == [destination]
    KeyCheck.objects.update(next_at=timezone.now())
    check_due()
    assert checked == [destination] * 2
    # recorded while the clock was a year ahead
    KeyCheck.objects.update(next_at=timezone.now() + timedelta(days=365))
    check_due()
    assert checked == [destination] * 3


def hours_until_the_next() -> int:
    return round((KeyCheck.objects.get().next_at - timezone.now()) / timedelta(hours=1))


def test_a_destination_that_does_not_answer_is_tried_again_in_an_hour(
    shop: Path, identity: Path, destination: BackupDestination, back_up: BackUp, caplog: pytest.LogCaptureFixture
) -> None:
    back_up("shop")
    long_ago = timezone.now() - timedelta(days=2)
    KeyCheck.objects.create(destination=destination, checked_at=long_ago, next_at=long_ago, problem="as it was")
    folder = Path(destination.open().location())
    folder.rename(folder.with_name("unmounted"))

    assert check_due() == []
    row = KeyCheck.objects.get()
    assert (row.problem, row.checked_at) == ("as it was", long_ago)
    assert row.outcome.startswith("it did not answer: ")
    assert hours_until_the_next() == 1
    assert "keys.not-checked" in caplog.text


def test_a_destination_that_never_answered_does_not_pass_for_checked(
    shop: Path, identity: Path, destination: BackupDestination, back_up: BackUp
) -> None:
    back_up("shop")
    folder = Path(destination.open().location())
    folder.rename(folder.with_name("unmounted"))
    check_due()
    assert KeyCheck.objects.get().checked_at is None
    row = page_at(a_client(VIEW), "/admin/backups/backupexecution/keys/").row(destination.name)
    assert row.field("checked_at").value == ""
    assert row.field("outcome").text.startswith("it did not answer: ")


def test_a_lost_key_is_checked_each_hour_and_reported_once_a_day(
    shop: Path, identity: Path, destination: BackupDestination, back_up: BackUp, caplog: pytest.LogCaptureFixture
) -> None:
    def reported() -> int:
        return sum("keys.lost" in record.getMessage() for record in caplog.records)

    back_up("shop")
    hidden = identity.rename(identity.with_name("hidden.txt"))
    assert check_due() == [destination]
    assert (hours_until_the_next(), reported()) == (1, 1)
    KeyCheck.objects.update(next_at=timezone.now())
    assert check_due() == [destination]
    assert reported() == 1
    KeyCheck.objects.update(next_at=timezone.now(), told_at=timezone.now() - timedelta(hours=25))
    check_due()
    assert reported() == 2

    hidden.rename(identity)
    KeyCheck.objects.update(next_at=timezone.now())
    assert check_due() == []
    row = KeyCheck.objects.get()
    assert (row.problem, row.outcome, hours_until_the_next()) == ("", "1 opened", 24)
    assert "keys-lost" not in page_at(a_client(VIEW), "/admin/").notices()


def test_housekeeping_does_it_and_says_where_keys_are_lost(
    shop: Path, identity: Path, destination: BackupDestination, back_up: BackUp
) -> None:
    back_up("shop")
    identity.unlink()
    assert housekeeping.check_keys in housekeeping.STEPS
    assert housekeeping.check_keys("backups") == "no key opens backups at nas"
    assert housekeeping.check_keys("backups") == ""


def test_the_command_prints_each_verdict_and_fails_when_something_is_lost(
    shop: Path, identity: Path, settings: Settings, destination: BackupDestination, back_up: BackUp
) -> None:
    assert command("checkkeys").out.strip() == "no backup is encrypted"
    first = back_up("shop")
    settings.BACKUP_ENCRYPTION_RECIPIENTS = [OTHER_RECIPIENT]
    second = back_up("shop")

    done = command("checkkeys", "--destination", "nas")
    assert done.out.splitlines() == [
        f"opens      {first.backup_filename} at nas",
        f"lost       {second.backup_filename} at nas",
    ]
    assert done.code == 1
    assert done.err.startswith("1 of 2 backups cannot be opened any more")
    assert [(result["verdict"], result["recipients"]) for result in command("checkkeys", "--json").data] == [
        ("opens", first.recipients),
        ("lost", second.recipients),
    ]


def test_the_command_goes_on_with_the_others_when_a_destination_does_not_answer(
    shop: Path, identity: Path, destination: BackupDestination, back_up: BackUp
) -> None:
    execution = back_up("shop")
    for name in ("aaa", "zzz"):
        unmounted = a_destination(name, established=True)
        an_execution(destination=unmounted, encryption="age", recipients=["passphrase"])

    done = command("checkkeys")
    assert done.code == 1
    assert f"opens      {execution.backup_filename} at nas" in done.out
    assert all(f"no answer  {name}: " in done.out for name in ("aaa", "zzz"))
    assert done.err.startswith("2 of 3 destinations did not answer")
    assert [result.get("verdict") for result in command("checkkeys", "--json").data] == ["opens"]
