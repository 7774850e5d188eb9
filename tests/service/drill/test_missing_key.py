"""An archive that a host cannot open is not verifiable there: nothing says that it is damaged."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone
from pytest_django import Settings

from backups.archive.age import AgeMemoryError
from backups.archive.encryption import KeyMatch
from backups.archive.errors import ArchiveError, NotPossibleHere
from backups.archive.manifest.document import Manifest
from backups.models import BackupExecution, DrillExecution
from backups.service.archives import fetch as fetching
from backups.service.archives.extract import extract
from backups.service.automation.drills import start_due
from backups.service.catalogue.import_file import import_archive
from backups.service.catalogue.sync import import_backups
from backups.service.drill import trial_restore
from backups.service.drill.result import is_about_the_archive
from backups.service.drill.run import drill, verify_backup
from backups.service.keys import check as key_check
from backups.service.keys.check import check_keys
from backups.service.retention.plan import plan_prune
from backups.signals import drill_finished, keys_lost, verification_finished
from destinations.models import BackupDestination
from tests.support.archives.age_files import IDENTITY, PASSPHRASE, identity_file
from tests.support.archives.crafted import SERVER_ENCRYPTED, SERVER_PASSPHRASE
from tests.support.archives.stored import file_of
from tests.support.call_commands import refused
from tests.support.restores.instance_restores import restore, the_restore
from tests.support.rows import a_drill
from tests.support.site_fixtures import BackUp

pytestmark = pytest.mark.django_db(transaction=True)
Listing = Callable[[], list[str]]


@pytest.fixture
def heard() -> "list[str]":
    """Connect to the signals of verdicts and lost keys; return the list that grows by each."""
    found: list[str] = []

    def hear(signal: object, **_: object) -> None:
        found.append(str(signal))

    for signal in (drill_finished, verification_finished, keys_lost):
        signal.connect(hear, weak=False)
    yield found  # type: ignore[misc]
    for signal in (drill_finished, verification_finished, keys_lost):
        signal.disconnect(hear)


def state(backup: BackupExecution) -> tuple[object, ...]:
    backup.refresh_from_db()
    return backup.drill, backup.verification, backup.verified_at, backup.flaw, backup.missing_at


def without_key(settings: Settings) -> None:
    settings.BACKUP_ENCRYPTION_IDENTITY_FILE = []


def test_a_host_without_the_identity_calls_no_backup_bad_and_changes_no_verdict(
    shop: Path, identity: Path, settings: Settings, destination: BackupDestination, back_up: BackUp, heard: list[str],
    monkeypatch: pytest.MonkeyPatch, workspaces: Listing,
) -> None:  # fmt: skip
    backup = back_up("shop")
    assert drill(backup, by="tests").verdict == "passed"
    verify_backup(backup, by="tests")
    before = state(backup)
    heard.clear()
    without_key(settings)

    def unexpected(*_: object, **__: object) -> Path:
        raise AssertionError("an archive that cannot be opened was fetched")

    monkeypatch.setattr(trial_restore, "fetch_nearest", unexpected)
    run = drill(backup, by="tests")
    with pytest.raises(ArchiveError) as caught:
        verify_backup(backup, by="tests")

    assert (run.status, run.verdict, "BACKUP_ENCRYPTION_IDENTITY_FILE" in run.error_hint) == ("failed", "", True)
    assert backup.recipients[0] in run.error_message
    assert (backup.backup_filename in caught.value.message, caught.value.hint) == (True, run.error_hint)
    assert [run.verdict for run in backup.drills.order_by("created_at")] == ["passed", "passed", "", ""]
    assert state(backup) == before
    assert (BackupExecution.objects.good().count(), heard, workspaces()) == (1, [], [])
    assert "cannot be opened on this host" in refused("verifybackup", backup.pk)


def test_retention_counts_it_as_before_also_as_the_proven_one(
    shop: Path, identity: Path, settings: Settings, destination: BackupDestination, back_up: BackUp
) -> None:
    destination.retention_strategy, destination.keep_count, destination.min_keep = "simple", 1, 1
    destination.save()
    older = back_up("shop", comment="x")
    BackupExecution.objects.filter(pk=older.pk).update(pinned=True)
    newer = back_up("shop")
    for backup in (older, newer):
        verify_backup(backup, by="tests")
    BackupExecution.objects.filter(pk=older.pk).update(pinned=False)
    plan = [(entry.execution.pk, entry.keep, entry.reason) for entry in plan_prune(destination, timezone.now()).entries]
    without_key(settings)
    for backup in (older, newer):
        with pytest.raises(ArchiveError):
            verify_backup(backup, by="tests")
    after = plan_prune(destination, timezone.now()).entries
    assert [(entry.execution.pk, entry.keep, entry.reason) for entry in after] == plan


def test_a_failed_verdict_stays_too(shop: Path, recipient: str, back_up: BackUp) -> None:
    backup = back_up("shop")
    a_drill(backup, verdict="failed", error_message="an index lost an entry")
    before = state(backup)
    drill(backup, by="tests")
    assert state(backup) == before


@pytest.mark.parametrize("key", ["passphrase", "program", "package", "memory", "server"])
def test_whatever_is_missing_on_the_host_is_no_verdict(
    key: str, shop: Path, settings: Settings, destination: BackupDestination, back_up: BackUp,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    if key == "passphrase":
        settings.BACKUP_ENCRYPTION_PASSPHRASE = PASSPHRASE
        backup = back_up("shop")
        settings.BACKUP_ENCRYPTION_PASSPHRASE = "another long passphrase"
    elif key == "program":
        settings.BACKUP_ENCRYPTION = "program"
        settings.BACKUP_ENCRYPTION_PROGRAM_ENCRYPT = ["sh", "-c", "printf x; cat"]
        settings.BACKUP_ENCRYPTION_PROGRAM_EXTENSION = ".gpg"
        backup = back_up("shop")
        settings.BACKUP_ENCRYPTION_PROGRAM_DECRYPT = ["sh", "-c", "cat >/dev/null; echo no secret key >&2; exit 2"]
    elif key == "server":
        settings.BACKUP_ENCRYPTION_PASSPHRASE = SERVER_PASSPHRASE
        backup = import_archive(SERVER_ENCRYPTED, destination, by="tests")
        settings.BACKUP_ENCRYPTION_PASSPHRASE = "another long passphrase"
    else:
        backup = back_up("shop")
        errors: dict[str, Exception] = {
            "package": NotPossibleHere("Archives in zstd need the Python package zstandard, which is not installed."),
            "memory": AgeMemoryError("There is not enough memory."),
        }

        def fail(*_: object, **__: object) -> None:
            raise errors[key]

        monkeypatch.setattr("backups.service.archives.verify.read_manifest", fail)
    run = drill(backup, by="tests")
    with pytest.raises(ArchiveError):
        verify_backup(backup, by="tests")
    assert (run.status, run.verdict, bool(run.error_message)) == ("failed", "", True)
    assert state(backup)[:4:3] == (None, "")
    assert backup.verification is None


def test_an_archive_of_a_newer_version_is_no_damaged_one() -> None:
    with pytest.raises(NotPossibleHere, match="format version 99"):
        Manifest.from_dict({"format": 99})


def test_damage_is_still_a_failed_verdict_with_the_key_at_hand(shop: Path, identity: Path, back_up: BackUp) -> None:
    backup = back_up("shop")
    archive = file_of(backup)
    whole = archive.read_bytes()
    archive.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    assert drill(backup, by="tests").verdict == "failed"
    assert not is_about_the_archive(NotPossibleHere("x"))


def test_a_regular_drill_without_the_key_says_so_once_an_interval_and_goes_on_when_the_key_is_there(
    shop: Path, recipient: str, settings: Settings, back_up: BackUp, tmp_path: Path
) -> None:
    settings.BACKUP_DRILL_EVERY_DAYS = 7
    backup = back_up("shop")
    run = start_due("backups")
    assert run is not None
    later = {"status": "failed", "created_at": timezone.now() - timedelta(hours=7)}
    DrillExecution.objects.filter(pk=run.pk).update(**later)
    assert start_due("backups") is None, "seven hours later, still without the key"
    settings.BACKUP_ENCRYPTION_IDENTITY_FILE = [str(identity_file(tmp_path, IDENTITY))]
    again = start_due("backups")
    assert again is not None
    assert again.execution == backup


def test_a_restore_and_an_extraction_stop_before_they_fetch(
    shop: Path, identity: Path, settings: Settings, back_up: BackUp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup = back_up("shop")
    before = state(backup)
    without_key(settings)
    monkeypatch.setattr(fetching, "HashingSink", None)
    with pytest.raises(ArchiveError, match="cannot be opened on this host"):
        restore(backup)
    with pytest.raises(ArchiveError, match="cannot be opened on this host"):
        extract(backup, tmp_path / "out", by="tests")
    assert (the_restore().outcome, state(backup)) == ({}, before)


def test_an_import_and_the_catalogue_refuse_it_with_what_to_do(
    shop: Path, identity: Path, settings: Settings, destination: BackupDestination, back_up: BackUp
) -> None:
    backup = back_up("shop")
    path = file_of(backup)
    without_key(settings)
    BackupExecution.objects.filter(pk=backup.pk).delete()
    with pytest.raises(NotPossibleHere) as caught:
        import_archive(path, destination, by="tests")
    assert "BACKUP_ENCRYPTION_IDENTITY_FILE" in caught.value.hint
    ((_, why),) = import_backups(destination, by="tests").refused
    assert "BACKUP_ENCRYPTION_IDENTITY_FILE" in why
    assert path.exists()


def test_a_host_whose_program_only_encrypts_reports_no_lost_key(
    shop: Path, settings: Settings, destination: BackupDestination, back_up: BackUp, heard: list[str]
) -> None:
    settings.BACKUP_ENCRYPTION = "program"
    settings.BACKUP_ENCRYPTION_PROGRAM_ENCRYPT = ["sh", "-c", "printf x; cat"]
    settings.BACKUP_ENCRYPTION_PROGRAM_EXTENSION = ".gpg"
    back_up("shop")
    assert [result.verdict for result in check_keys(destination)] == [KeyMatch.ELSEWHERE]
    assert heard == []


def test_too_little_memory_for_a_passphrase_is_no_lost_key(
    shop: Path, settings: Settings, destination: BackupDestination, back_up: BackUp,
    heard: list[str], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    settings.BACKUP_ENCRYPTION_PASSPHRASE = PASSPHRASE
    back_up("shop")

    def fail(*_: object, **__: object) -> None:
        raise AgeMemoryError("There is not enough memory.")

    monkeypatch.setattr("backups.archive.age.passphrase._derive", fail)
    assert [result.verdict for result in key_check.check_keys(destination)] == [KeyMatch.UNDETERMINED]
    assert heard == []
