from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from django.core.checks import CheckMessage
from django.core.checks import run_checks as run_all
from django.db import connection
from pytest_django import Settings

from destinations.models import BackupDestination


def found(*, databases: list[str] | None = None) -> list[CheckMessage]:
    messages = [message for message in run_all(databases=databases) if str(message.id).startswith("destinations.")]
    assert all(message.hint for message in messages)
    return messages


def ids(*, databases: list[str] | None = None) -> list[str]:
    return [str(message.id) for message in found(databases=databases)]


def test_a_private_folder_and_a_good_key_pass(backup_root: Path) -> None:
    assert found() == []


def test_a_relative_backup_root_is_an_error(settings: Settings) -> None:
    settings.BACKUP_ROOT = Path("backups")
    assert ids() == ["destinations.E001"]


def test_a_backup_root_that_is_a_file_or_below_one_is_an_error(backup_root: Path, settings: Settings) -> None:
    (backup_root / "file").write_bytes(b"")
    for path in (backup_root / "file", backup_root / "file/below"):
        settings.BACKUP_ROOT = path
        assert ids() == ["destinations.E002"]


def test_a_backup_root_open_to_every_user_is_a_warning_with_the_remedy(backup_root: Path) -> None:
    backup_root.chmod(0o755)
    (message,) = found()
    assert (message.id, message.hint) == ("destinations.W003", f"Run: chmod o= {backup_root}")
    assert "mode 0755" in message.msg
    backup_root.chmod(0o750)
    assert found() == []


@pytest.mark.parametrize("keys", [[], ["canary"], [Fernet.generate_key().decode(), "canary" * 7 + "12="]])
def test_a_missing_or_malformed_key_is_an_error_that_does_not_show_it(
    backup_root: Path, settings: Settings, keys: list[str]
) -> None:
    settings.BACKUP_SECRETS_KEY = keys
    (message,) = found()
    assert message.id == "destinations.E004"
    assert "canary" not in f"{message.msg} {message.hint}"


@pytest.mark.django_db
def test_rows_that_cannot_be_opened_are_warnings_of_the_database_check_only(backup_root: Path) -> None:
    for name, type_, config in (
        ("good", "local", {"path": "good"}),
        ("floppy", "floppy", {}),
        ("moved", "local", {"path": "../elsewhere"}),
    ):
        BackupDestination.objects.create(name=name, type=type_, config_json=config)
    assert found() == []
    messages = found(databases=["default"])
    assert [message.id for message in messages] == ["destinations.W005", "destinations.W005"]
    assert "'floppy': There is no destination type" in messages[0].msg
    assert "'moved': The folder '../elsewhere' is outside BACKUP_ROOT" in messages[1].msg


@pytest.mark.django_db
def test_a_missing_backup_root_is_a_warning_once_a_destination_needs_it(backup_root: Path) -> None:
    backup_root.rmdir()
    assert ids(databases=["default"]) == []
    BackupDestination.objects.create(name="nas", type="local", config_json={"path": "nas"})
    assert ids() == []
    assert ids(databases=["default"]) == ["destinations.W006"]


@pytest.mark.django_db
def test_the_database_check_is_silent_before_the_first_migration(backup_root: Path) -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE backup_destinations RENAME TO not_yet")
    assert ids(databases=["default"]) == []
