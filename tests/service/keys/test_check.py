"""The keys of this site are checked on stored archives, before a restore needs them."""

import hashlib
import logging
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings

from backups.archive.encryption import HEAD_BYTES, KeyMatch
from backups.models import BackupExecution, KeyCheck
from backups.service.archives.delete import delete_backup
from backups.service.keys import check
from backups.service.keys.check import check_due, check_keys
from backups.signals import keys_lost
from backups.worker import tick as housekeeping
from destinations.backends import Destination
from destinations.models import BackupDestination
from tests.support.archives.age_files import IDENTITY, OTHER_IDENTITY, OTHER_RECIPIENT, PASSPHRASE, identity_file
from tests.support.archives.crafted import SERVER_ENCRYPTED, SERVER_PASSPHRASE
from tests.support.archives.stored import file_of, stored
from tests.support.call_commands import command
from tests.support.pages.parsed import page_at
from tests.support.rows import VIEW, a_client, a_destination, an_execution
from tests.support.site_fixtures import BackUp

pytestmark = pytest.mark.django_db(transaction=True)


def verdicts(destination: BackupDestination, *, whole: bool = False) -> list[KeyMatch]:
    return [result.verdict for result in check_keys(destination, whole=whole)]


def test_the_oldest_and_the_newest_of_each_set_of_keys_are_tried(
    shop: Path, identity: Path, settings: Settings, destination: BackupDestination, back_up: BackUp
) -> None:
    first = [back_up("shop") for _ in range(3)]
    settings.BACKUP_ENCRYPTION_RECIPIENTS = [OTHER_RECIPIENT]
    second = back_up("shop")
    settings.BACKUP_ENCRYPTION_RECIPIENTS = []
    back_up("shop")

    results = check_keys(destination)

    assert [result.backup for result in results] == [first[0], first[2], second]
    assert [result.verdict for result in results] == [KeyMatch.OPENS, KeyMatch.OPENS, KeyMatch.LOST]


def test_a_lost_key_is_recorded_logged_signalled_and_shown_until_it_is_found(
    shop: Path,
    identity: Path,
    settings: Settings,
    destination: BackupDestination,
    back_up: BackUp,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    execution, reported = back_up("shop"), []
    settings.BACKUP_ENCRYPTION_IDENTITY_FILE = [str(identity_file(tmp_path, OTHER_IDENTITY))]

    def listen(**signal: Any) -> None:
        reported.append((signal["destination"], signal["message"]))

    keys_lost.connect(listen)
    check_keys(destination)

    problem = f"No key at hand opens {execution.backup_filename} at nas."
    row = KeyCheck.objects.get()
    assert (row.destination, row.problem) == (destination, problem)
    assert "BACKUP_ENCRYPTION_IDENTITY_FILE" in row.hint
    assert reported == [(destination, problem)]
    assert [record.levelno for record in caplog.records if "keys.lost" in record.getMessage()] == [logging.ERROR]
    page = page_at(a_client(VIEW), "/admin/")
    assert page.notice("key-lost", "nas").field("message").text == problem
    assert page.field("banner").status == "bad"

    settings.BACKUP_ENCRYPTION_IDENTITY_FILE = [str(identity_file(tmp_path, IDENTITY))]
    check_keys(destination)
    assert KeyCheck.objects.get().problem == ""


def test_archives_for_identities_that_are_kept_elsewhere_are_no_alarm(
    shop: Path, recipient: str, destination: BackupDestination, back_up: BackUp
) -> None:
    back_up("shop")
    assert verdicts(destination) == [KeyMatch.ELSEWHERE]
    row = KeyCheck.objects.get()
    assert (row.problem, row.outcome) == ("", "1 not tried, for keys that are kept elsewhere")


def test_an_identity_file_that_cannot_be_read_is_an_alarm(
    shop: Path, identity: Path, destination: BackupDestination, back_up: BackUp
) -> None:
    back_up("shop")
    identity.unlink()
    assert verdicts(destination) == [KeyMatch.LOST]


def test_a_passphrase_that_was_changed_without_keeping_the_old_one_is_found(
    shop: Path, settings: Settings, destination: BackupDestination, back_up: BackUp, cheap_passphrases: None
) -> None:
    settings.BACKUP_ENCRYPTION_PASSPHRASE = PASSPHRASE
    back_up("shop")
    assert verdicts(destination) == [KeyMatch.OPENS]
    settings.BACKUP_ENCRYPTION_PASSPHRASE = "a new one"
    assert verdicts(destination) == [KeyMatch.LOST]
    settings.BACKUP_ENCRYPTION_OLD_PASSPHRASES = [PASSPHRASE]
    assert verdicts(destination) == [KeyMatch.OPENS]


def test_only_the_beginning_of_a_large_archive_is_fetched(
    shop: Path, identity: Path, destination: BackupDestination, back_up: BackUp, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = file_of(back_up("shop"))
    with archive.open("ab") as file:
        file.truncate(50 * HEAD_BYTES)
    asked = []
    head = Destination.head
    monkeypatch.setattr(
        Destination, "head", lambda self, path, length: asked.append(length) or head(self, path, length)
    )

    assert verdicts(destination) == [KeyMatch.OPENS]
    assert asked == [HEAD_BYTES]


def test_a_header_that_is_damaged_is_an_alarm_that_says_so(
    shop: Path, identity: Path, destination: BackupDestination, back_up: BackUp
) -> None:
    archive = file_of(back_up("shop"))
    archive.write_bytes(archive.read_bytes().replace(b"X25519", b"X2551\xff", 1))
    (result,) = check_keys(destination)
    assert result.verdict is KeyMatch.LOST
    assert "age file" in KeyCheck.objects.get().problem


def test_an_archive_that_is_gone_is_left_to_the_catalogue(
    shop: Path, identity: Path, destination: BackupDestination, back_up: BackUp
) -> None:
    gone = file_of(back_up("shop"))
    back_up("shop")
    gone.unlink()
    assert verdicts(destination) == [KeyMatch.UNDETERMINED, KeyMatch.OPENS]


@pytest.mark.parametrize(
    ("passphrase", "verdict"),
    [(SERVER_PASSPHRASE, KeyMatch.OPENS), ("another one", KeyMatch.LOST), ("", KeyMatch.LOST)],
)
def test_the_servers_own_container_is_tried_as_a_whole_by_the_command_only(
    destination: BackupDestination, settings: Settings, passphrase: str, verdict: KeyMatch
) -> None:
    settings.BACKUP_ENCRYPTION_PASSPHRASE = passphrase
    execution = stored(destination, encryption="tcbk")
    data = SERVER_ENCRYPTED.read_bytes()
    file_of(execution).write_bytes(data)
    BackupExecution.objects.update(archive_sha256=hashlib.sha256(data).hexdigest())
    assert verdicts(destination) == [KeyMatch.UNDETERMINED]
    assert verdicts(destination, whole=True) == [verdict]


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
    assert "key-lost" not in page_at(a_client(VIEW), "/admin/").notices()


def test_an_archive_that_was_deleted_is_no_alarm_any_more(
    shop: Path, identity: Path, destination: BackupDestination, back_up: BackUp
) -> None:
    execution = back_up("shop")
    identity.unlink()
    assert verdicts(destination) == [KeyMatch.LOST]
    delete_backup(execution, by="tests", reason="not needed")
    KeyCheck.objects.update(next_at=timezone.now())
    assert check_due() == []
    row = KeyCheck.objects.get()
    assert (row.problem, row.outcome) == ("", "no backup there is encrypted")


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
