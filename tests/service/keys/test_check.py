"""The keys of this site are checked on stored archives, before somebody needs them."""

import hashlib
import logging
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings

from backups.archive.encryption import HEAD_BYTES, KeyMatch
from backups.models import BackupExecution, KeyCheck, KeyState
from backups.service.archives.records.delete import delete_backup
from backups.service.keys.check import check_due, check_keys, state_of
from backups.signals import keys_lost
from destinations.backends import Destination
from destinations.models import BackupDestination
from tests.support.archives.age_files import IDENTITY, OTHER_IDENTITY, OTHER_RECIPIENT, PASSPHRASE, identity_file
from tests.support.archives.crafted import SERVER_ENCRYPTED, SERVER_PASSPHRASE
from tests.support.archives.stored import file_of, stored
from tests.support.pages.parsed import page_at
from tests.support.rows import VIEW, a_client, recopied
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
    assert KeyCheck.objects.get().by_instance == {"shop": KeyState.NEWEST_LOST}


@pytest.mark.parametrize(
    ("by_key", "state"),
    [
        # what was found for each of the keys of an instance, that of its newest archive last
        ([{KeyMatch.OPENS}], KeyState.OPENS),
        ([{KeyMatch.OPENS}, {KeyMatch.OPENS, KeyMatch.LOST}], KeyState.NEWEST_LOST),
        ([{KeyMatch.LOST}, {KeyMatch.OPENS}], KeyState.OLDER_LOST),
        ([{KeyMatch.OPENS}, {KeyMatch.ELSEWHERE}], KeyState.ELSEWHERE),
        ([{KeyMatch.ELSEWHERE}, {KeyMatch.UNDETERMINED}], KeyState.UNDETERMINED),
        # the sample was deleted meanwhile
        ([set(), {KeyMatch.OPENS}], KeyState.UNDETERMINED),
    ],
)
def test_the_state_of_an_instance_is_that_of_its_worst_key(by_key: list[set[KeyMatch]], state: KeyState) -> None:
    assert state_of(by_key) is state


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
    assert page.notice("keys-lost", "nas").field("message").text == problem
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
    shop: Path, settings: Settings, destination: BackupDestination, back_up: BackUp
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
    recopied()
    assert verdicts(destination) == [KeyMatch.UNDETERMINED]
    assert verdicts(destination, whole=True) == [verdict]


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
