"""What `check` finds out about keys: passphrases that are not what is seen, keys that are gone."""

from pathlib import Path

import pytest
from django.core.checks import CheckMessage, run_checks
from pytest_django import Settings

from backups.archive.minisign import SigningKey
from backups.errors import BackupError
from backups.models import BackupExecution, SigningKeyUse
from backups.service.archives.signatures import site_key
from tests.support.archives.age_files import IDENTITY, OTHER_IDENTITY, PASSPHRASE, identity_file
from tests.support.archives.stored import file_of
from tests.support.call_commands import command
from tests.support.site_fixtures import BackUp

SMALL = "correct horse battery"


def found(id: str, *, database: bool = False, deploy: bool = False) -> list[CheckMessage]:
    messages = run_checks(databases=["default"] if database else None, include_deployment_checks=deploy)
    return [message for message in messages if message.id == f"backups.{id}"]


@pytest.mark.django_db
@pytest.mark.parametrize(
    "character", ["\u200b", "\u00ad", "\u2060", "\ufeff", "\u202e", "\u00a0", "\u3000", "\u2028", "\ufe0f", "\u3164"]
)
def test_a_passphrase_with_what_cannot_be_seen_is_refused_and_not_quoted(
    shop: Path, settings: Settings, back_up: BackUp, character: str
) -> None:
    settings.BACKUP_ENCRYPTION_PASSPHRASE = f"correct horse{character} battery"
    (message,) = found("E045")
    assert f"U+{ord(character):04X}" in message.msg and "horse" not in str(message)
    with pytest.raises(BackupError, match="cannot be encrypted"):
        back_up("shop")
    assert not BackupExecution.objects.completed().exists()


@pytest.mark.parametrize(("passphrase", "count"), [("Grüße aus dem Süden", 1), (f" {SMALL}", 1), (SMALL, 0)])
def test_a_passphrase_that_may_be_other_bytes_elsewhere_is_a_warning(
    home: Path, settings: Settings, passphrase: str, count: int
) -> None:
    settings.BACKUP_ENCRYPTION_PASSPHRASE = passphrase
    messages = found("W046")
    assert len(messages) == count
    assert passphrase.strip() not in str(messages)


@pytest.mark.parametrize("character", list("$`\"'\\#"))
def test_characters_that_shell_and_systemd_read_differently_are_a_warning_unless_they_come_from_a_file(
    home: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch, character: str
) -> None:
    settings.BACKUP_ENCRYPTION_PASSPHRASE = f"correct {character}horse battery"
    (message,) = found("W047")
    assert "BACKUP_ENCRYPTION_PASSPHRASE_FILE" in str(message.hint) and "horse" not in str(message)
    monkeypatch.setenv("BACKUP_ENCRYPTION_PASSPHRASE_FILE", "/etc/backupsite/passphrase")
    assert found("W047") == []


@pytest.mark.django_db
def test_a_signing_key_that_was_lost_is_reported_until_it_is_trusted_or_has_signed_nothing_that_is_left(
    shop: Path, settings: Settings, back_up: BackUp
) -> None:
    backup = back_up("shop")
    lost = site_key().public_key
    assert found("W049", database=True) == []

    settings.BACKUP_SIGNING_KEY = SigningKey.generate().file_text
    (message,) = found("W049", database=True)
    assert lost.id in message.msg and lost.text in str(message.hint)
    back_up("shop")
    assert len(found("W049", database=True)) == 1
    assert SigningKeyUse.objects.count() == 2

    settings.BACKUP_TRUSTED_KEYS = [lost.text]
    assert found("W049", database=True) == []
    settings.BACKUP_TRUSTED_KEYS = []
    BackupExecution.objects.filter(pk=backup.pk).update(deleted_at=backup.created_at)
    assert found("W049", database=True) == []


@pytest.mark.django_db
def test_the_checks_for_deployment_try_the_keys_on_what_lies_at_the_destinations(
    shop: Path, settings: Settings, back_up: BackUp, identity: Path, tmp_path: Path
) -> None:
    backup = back_up("shop")
    assert found("E046", deploy=True) == []
    identity_file(tmp_path, OTHER_IDENTITY)
    (message,) = found("E046", deploy=True)
    assert backup.backup_filename in message.msg
    assert found("E046") == []
    identity_file(tmp_path, IDENTITY)
    file_of(backup).parent.parent.rename(tmp_path / "away")
    assert found("W048", deploy=True) and found("E046", deploy=True) == []


@pytest.mark.django_db
def test_quickstart_tries_them_too(shop: Path, settings: Settings, back_up: BackUp) -> None:
    settings.BACKUP_ENCRYPTION_PASSPHRASE = PASSPHRASE
    back_up("shop")
    assert "keys        open what is encrypted: 1 archive" in command("quickstart", "--no-serve").out
    settings.BACKUP_ENCRYPTION_PASSPHRASE = "what systemd makes of it"
    ended = command("quickstart", "--no-serve")
    assert ended.code == 1 and "No key opens" in ended.out and "No key opens" in ended.err
