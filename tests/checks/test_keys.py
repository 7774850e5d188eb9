"""Mistakes with keys are system checks with an id and a hint."""

from collections.abc import Callable
from pathlib import Path

import pytest
from django.core.checks import CheckMessage, run_checks
from pytest_django import Settings

from backups.archive.minisign import SigningKey
from destinations.backends import TYPES
from destinations.models import BackupDestination
from tests.support.archives.age_files import IDENTITY, PASSPHRASE, RECIPIENT, identity_file, run_age
from tests.support.secret_destination import VaultDestination

OURS = ("backups.E04", "backups.W04", "backups.I04", "backups.W052")


def found(*, database: bool = False) -> list[CheckMessage]:
    messages = run_checks(databases=["default"] if database else None)
    return [message for message in messages if str(message.id).startswith(OURS)]


def ids(*, database: bool = False) -> list[str]:
    return [str(message.id) for message in found(database=database)]


def test_a_site_without_keys_has_nothing_to_complain_about(home: Path) -> None:
    assert found() == []


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"BACKUP_ENCRYPTION": "rot13"}, "backups.E040"),
        ({"BACKUP_ENCRYPTION": "program"}, "backups.E041"),
        ({"BACKUP_ENCRYPTION_RECIPIENTS": [RECIPIENT[:-1]]}, "backups.E042"),
        ({"BACKUP_ENCRYPTION_IDENTITY_FILE": ["/none"]}, "backups.E043"),
        ({"BACKUP_SIGNING_KEY": "rubbish"}, "backups.E044"),
        ({"BACKUP_TRUSTED_KEYS": ["RWrubbish"]}, "backups.E044"),
        ({"BACKUP_TRUSTED_KEYS": [SigningKey.generate().file_text.splitlines()[1]]}, "backups.E044"),
        ({"BACKUP_ENCRYPTION_RECIPIENTS": [IDENTITY]}, "backups.E042"),
        ({"BACKUP_ENCRYPTION_RECIPIENTS": [IDENTITY[:-1]]}, "backups.E042"),
        ({"BACKUP_ENCRYPTION_PASSPHRASE": "two rubbish\nlines of it"}, "backups.E045"),
        ({"BACKUP_ENCRYPTION_RECIPIENTS": [RECIPIENT], "BACKUP_ENCRYPTION_PASSPHRASE": PASSPHRASE}, "backups.W040"),
        ({"BACKUP_ENCRYPTION_PASSPHRASE": "short"}, "backups.W042"),
        ({"BACKUP_ENCRYPTION_PASSPHRASE": " " * 40}, "backups.W042"),
        ({"BACKUP_ENCRYPTION_RECIPIENTS": [RECIPIENT]}, "backups.I040"),
    ],
)
def test_each_mistake_has_an_id_and_a_hint_and_repeats_no_secret(
    home: Path, settings: Settings, values: dict[str, object], expected: str
) -> None:
    for name, value in values.items():
        setattr(settings, name, value)
    messages = [message for message in found() if message.id == expected]
    assert messages
    assert all(message.hint for message in messages)
    assert not any(secret in str(messages) for secret in ("short", "rubbish", PASSPHRASE, IDENTITY[:-1]))


def test_a_complete_configuration_is_fine(home: Path, identity: Path, settings: Settings) -> None:
    settings.BACKUP_TRUSTED_KEYS = [SigningKey.generate().public_key.text]
    settings.BACKUP_ENCRYPTION_PROGRAM_ENCRYPT = ["cat"]
    settings.BACKUP_ENCRYPTION_PROGRAM_DECRYPT = ["cat"]
    settings.BACKUP_ENCRYPTION_PROGRAM_EXTENSION = ".gpg"
    assert found() == []


def test_an_identity_file_that_others_may_read_and_one_without_an_identity(
    home: Path, settings: Settings, tmp_path: Path
) -> None:
    path = identity_file(tmp_path, IDENTITY)
    path.chmod(0o640)
    settings.BACKUP_ENCRYPTION_IDENTITY_FILE = [str(path)]
    (message,) = found()
    assert (message.id, message.hint) == ("backups.W041", f"Run: chmod 600 {path}")
    path.write_text("nothing")
    (message,) = found()
    assert (message.id, str(path) in message.msg) == ("backups.E043", True)


@pytest.mark.parametrize("options", [(), ("--armor",)])
def test_an_identity_file_that_is_locked_says_so(
    home: Path, settings: Settings, tmp_path: Path, options: tuple[str, ...]
) -> None:
    path = tmp_path / "identity.age"
    path.write_bytes(run_age(*options, "-r", RECIPIENT, data=IDENTITY.encode()))
    settings.BACKUP_ENCRYPTION_IDENTITY_FILE = [str(path)]
    (message,) = found()
    assert (message.id, message.msg) == ("backups.E043", f"The identity file {path} is itself encrypted.")
    assert "age --decrypt" in str(message.hint)


@pytest.mark.parametrize(
    "extension", ["", "gpg", ".GPG", ".age", ".gz", ".minisig", ".part", ".much.too.long", "./../x"]
)
def test_an_extension_that_is_not_free_is_refused(home: Path, settings: Settings, extension: str) -> None:
    settings.BACKUP_ENCRYPTION_PROGRAM_ENCRYPT = settings.BACKUP_ENCRYPTION_PROGRAM_DECRYPT = ["cat"]
    settings.BACKUP_ENCRYPTION_PROGRAM_EXTENSION = extension
    assert ids() == ["backups.E041"]


def test_a_program_that_is_not_installed_is_named(home: Path, settings: Settings) -> None:
    settings.BACKUP_ENCRYPTION_PROGRAM_ENCRYPT = settings.BACKUP_ENCRYPTION_PROGRAM_DECRYPT = ["no-such-program"]
    settings.BACKUP_ENCRYPTION_PROGRAM_EXTENSION = ".gpg"
    assert [message.msg for message in found()] == [
        "BACKUP_ENCRYPTION_PROGRAM_ENCRYPT names no-such-program, which is not installed.",
        "BACKUP_ENCRYPTION_PROGRAM_DECRYPT names no-such-program, which is not installed.",
    ]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("type_", "encryption", "key", "expected"),
    [
        ("vault", "", False, "backups.W044"),
        ("vault", "required", False, "backups.W044"),
        ("vault", "required", True, ""),
        ("vault", "allowed", False, "backups.W043"),
        ("vault", "allowed", True, ""),
        ("vault", "off", True, "backups.W043"),
        ("local", "", False, ""),
        ("local", "off", True, ""),
        ("local", "required", False, "backups.W044"),
        ("gone", "", False, ""),
    ],
)
def test_what_leaves_this_machine_in_plain_or_cannot_be_encrypted_is_reported(
    shop: Path,
    destination: BackupDestination,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    type_: str,
    encryption: str,
    key: bool,
    expected: str,
) -> None:
    monkeypatch.setitem(TYPES, "vault", VaultDestination)
    BackupDestination.objects.update(type=type_, encryption=encryption)
    settings.BACKUP_ENCRYPTION_PASSPHRASE = PASSPHRASE if key else ""
    assert ids(database=True) == ([expected] if expected else [])
    assert ids() == []
    BackupDestination.objects.update(enabled=False)
    assert ids(database=True) == []


@pytest.mark.django_db
def test_the_key_that_a_service_has_itself_counts(
    tacacs_root: Path, destination: BackupDestination, settings: Settings
) -> None:
    BackupDestination.objects.update(encryption="required")
    assert ids(database=True) == ["backups.W044"]
    config = tacacs_root / "config" / "tacacs.conf"
    text = config.read_text().replace("encryption_enabled = false", "encryption_enabled = true")
    config.write_text(text.replace("encryption_passphrase = \n", "encryption_passphrase = correct horse\n"))
    assert ids(database=True) == []


@pytest.mark.django_db
@pytest.mark.parametrize(("policy", "expected"), [("allowed", ["backups.W045"]), ("off", [])])
def test_a_service_that_asks_for_encryption_and_has_no_passphrase_is_reported_before_its_backups_fail(
    tacacs_root: Path, destination: BackupDestination, settings: Settings, policy: str, expected: list[str]
) -> None:
    BackupDestination.objects.update(encryption=policy)
    assert ids(database=True) == []
    config = tacacs_root / "config" / "tacacs.conf"
    config.write_text(config.read_text().replace("encryption_enabled = false", "encryption_enabled = true"))
    assert ids(database=True) == expected
    settings.BACKUP_ENCRYPTION_PASSPHRASE = PASSPHRASE
    assert ids(database=True) == []


def test_a_program_that_only_encrypts_is_a_choice_and_one_that_only_decrypts_is_left_of_an_earlier_kind(
    home: Path, settings: Settings
) -> None:
    settings.BACKUP_ENCRYPTION_PROGRAM_EXTENSION = ".gpg"
    settings.BACKUP_ENCRYPTION_PROGRAM_DECRYPT = ["cat"]
    assert ids() == []
    settings.BACKUP_ENCRYPTION = "program"
    settings.BACKUP_ENCRYPTION_PROGRAM_ENCRYPT, settings.BACKUP_ENCRYPTION_PROGRAM_DECRYPT = ["cat"], []
    assert ids() == ["backups.I040"]


def test_regular_drills_on_a_host_that_cannot_open_its_archives_are_warned_of(
    home: Path, settings: Settings, recipient: str, declare: Callable[[str], None]
) -> None:
    declare('[shop]\nkind = "generic"\nroot = "/srv/shop"\ncomponents.a = {kind = "sqlite", path = "a.db"}\n')
    assert "backups.W052" not in ids()
    settings.BACKUP_DRILL_EVERY_DAYS = 7
    assert "backups.W052" in ids()
