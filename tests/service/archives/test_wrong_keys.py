"""Keys that are missing, wrong or half there, and archives that were changed: one clear error, nothing left behind."""

from collections.abc import Callable
from pathlib import Path

import pytest
from pytest_django import Settings

from backups.archive.age import AgeError
from backups.archive.errors import ArchiveError
from backups.errors import BackupError
from backups.models import BackupExecution
from backups.service.drill.run import verify_archive, verify_backup
from destinations.backends import TYPES
from destinations.models import BackupDestination
from tests.support.archives.age_files import OTHER_IDENTITY, PASSPHRASE, RECIPIENT, identity_file
from tests.support.archives.crafted import SERVER_ENCRYPTED, SERVER_PASSPHRASE
from tests.support.databases.sqlite_files import rows_of
from tests.support.restores.instance_restores import restore, the_restore
from tests.support.secret_destination import VaultDestination
from tests.support.site_fixtures import BackUp

Listing = Callable[[], list[str]]
pytestmark = pytest.mark.django_db(transaction=True)


def demand(destination: BackupDestination, encryption: str) -> None:
    destination.encryption = encryption
    destination.save()


def failure(back_up: BackUp) -> BackupExecution:
    """Return the row of a backup of the shop that failed."""
    with pytest.raises(BackupError):
        back_up("shop")
    return BackupExecution.objects.latest()


def stages(execution: BackupExecution) -> list[str]:
    return [stage for stage, _ in execution.timeline]


def test_where_encryption_is_required_and_there_is_no_key_nothing_is_exported(
    shop: Path, destination: BackupDestination, back_up: BackUp, archives: Listing, workspaces: Listing
) -> None:
    demand(destination, "required")
    failed = failure(back_up)

    assert failed.error_message == "nas takes encrypted archives only, and no key is configured."
    assert failed.error_hint.startswith("Set BACKUP_ENCRYPTION_RECIPIENTS or BACKUP_ENCRYPTION_PASSPHRASE")
    assert stages(failed) == ["preparing", "failed"]
    assert (archives(), workspaces()) == ([], [])


def test_a_place_off_this_machine_requires_encryption_unless_something_else_is_chosen(
    shop: Path, destination: BackupDestination, back_up: BackUp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(TYPES, "vault", VaultDestination)
    destination.type = "vault"
    destination.configure({"password": "sesame-street"})
    destination.save()

    assert destination.policy == "required"
    assert "encrypted archives only" in failure(back_up).error_message
    demand(destination, "allowed")
    assert back_up("shop").encryption == ""


def test_a_destination_that_is_off_takes_plain_archives_though_there_is_a_key(
    shop: Path, recipient: str, destination: BackupDestination, back_up: BackUp
) -> None:
    demand(destination, "off")
    execution = back_up("shop")

    assert (execution.encryption, execution.recipients) == ("", [])
    assert execution.backup_filename.endswith(".tar.gz")
    assert execution.manifest_json["encrypted"] is False


def test_a_service_that_asks_for_encryption_and_has_no_passphrase_is_not_backed_up_in_plain(
    tacacs_root: Path, back_up: BackUp
) -> None:
    config = tacacs_root / "config" / "tacacs.conf"
    config.write_text(config.read_text().replace("encryption_enabled = false", "encryption_enabled = true"))
    with pytest.raises(BackupError, match="tacacs-hq requires encryption in its configuration"):
        back_up("tacacs-hq")


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("BACKUP_ENCRYPTION_RECIPIENTS", [RECIPIENT, RECIPIENT[:-1]], "The archive cannot be encrypted: "),
        (
            "BACKUP_ENCRYPTION_RECIPIENTS",
            [OTHER_IDENTITY],
            "The archive cannot be encrypted: What was given as a recip",
        ),
        (
            "BACKUP_ENCRYPTION_PASSPHRASE",
            f"{PASSPHRASE}\nline 2",
            "The archive cannot be encrypted: The encryption pass",
        ),
        ("BACKUP_ENCRYPTION", "rot13", "There is no encryption called 'rot13'"),
        ("BACKUP_SIGNING_KEY", "not a key", "BACKUP_SIGNING_KEY is not a minisign secret key."),
    ],
    ids=["a malformed recipient", "an identity", "two lines", "an unknown kind", "a malformed signing key"],
)
def test_keys_that_cannot_work_are_found_before_anything_is_exported(
    shop: Path, settings: Settings, back_up: BackUp, archives: Listing, name: str, value: object, message: str
) -> None:
    setattr(settings, name, value)
    with pytest.raises((BackupError, ArchiveError)):
        back_up("shop")
    failed = BackupExecution.objects.latest()

    assert failed.error_message.startswith(message)
    assert stages(failed) == ["preparing", "failed"]
    assert archives() == []


def refusal(execution: BackupExecution) -> ArchiveError:
    with pytest.raises(ArchiveError) as caught:
        verify_backup(execution, by="tests")
    assert execution.backup_filename in caught.value.message
    return caught.value


def test_without_the_identity_a_host_cannot_open_its_own_backups(
    shop: Path, recipient: str, back_up: BackUp, workspaces: Listing
) -> None:
    error = refusal(back_up("shop"))

    assert ".age cannot be opened on this host: No identity is configured on this host" in error.message
    assert "BACKUP_ENCRYPTION_IDENTITY_FILE" in error.hint
    assert workspaces() == []


def test_another_identity_opens_nothing(
    shop: Path, recipient: str, settings: Settings, back_up: BackUp, tmp_path: Path
) -> None:
    settings.BACKUP_ENCRYPTION_IDENTITY_FILE = [str(identity_file(tmp_path, OTHER_IDENTITY))]
    assert "No identity of this host opens the archive, which opens with: " in refusal(back_up("shop")).message


def test_an_identity_file_that_is_gone_is_named(shop: Path, identity: Path, back_up: BackUp) -> None:
    execution = back_up("shop")
    identity.unlink()
    assert f"The identity file {identity} cannot be read: No such file or directory." in refusal(execution).message


def test_a_wrong_passphrase_opens_nothing_and_is_not_repeated(shop: Path, settings: Settings, back_up: BackUp) -> None:
    settings.BACKUP_ENCRYPTION_PASSPHRASE = PASSPHRASE
    execution = back_up("shop")
    settings.BACKUP_ENCRYPTION_PASSPHRASE = "a wrong one, canary"
    error = refusal(execution)

    assert "No configured passphrase opens the age file." in error.message
    assert "canary" not in error.message + error.hint


def test_no_passphrase_opens_nothing(shop: Path, settings: Settings, back_up: BackUp) -> None:
    settings.BACKUP_ENCRYPTION_PASSPHRASE = PASSPHRASE
    execution = back_up("shop")
    settings.BACKUP_ENCRYPTION_PASSPHRASE = ""
    assert (
        "The archive is encrypted with a passphrase, and none is configured on this host." in refusal(execution).message
    )


def test_a_restore_needs_the_identity_for_its_safety_backup_and_stops_before_it_touches_anything(
    shop: Path, settings: Settings, back_up: BackUp
) -> None:
    plain = back_up("shop")
    settings.BACKUP_ENCRYPTION_RECIPIENTS = [RECIPIENT]
    before = rows_of(shop / "orders.db")
    with pytest.raises(BackupError, match="The safety backup would be encrypted for keys") as caught:
        restore(plain)

    assert "BACKUP_ENCRYPTION_IDENTITY_FILE" in caught.value.hint
    assert the_restore().outcome == {}
    assert rows_of(shop / "orders.db") == before


@pytest.mark.parametrize("where", ["BACKUP_ENCRYPTION_PASSPHRASE", "BACKUP_ENCRYPTION_OLD_PASSPHRASES", "service"])
def test_the_servers_own_container_opens_with_any_configured_passphrase(
    tacacs_root: Path, settings: Settings, where: str, db: None
) -> None:
    with pytest.raises(ArchiveError, match="is encrypted and no passphrase is configured"):
        verify_archive(SERVER_ENCRYPTED)
    settings.BACKUP_ENCRYPTION_OLD_PASSPHRASES = ["another one"]
    with pytest.raises(ArchiveError, match=r"cannot be opened: .* the passphrase is wrong, or the file was altered"):
        verify_archive(SERVER_ENCRYPTED)
    if where == "service":
        config = tacacs_root / "config" / "tacacs.conf"
        text = config.read_text().replace(
            "encryption_passphrase = \n", f"encryption_passphrase = {SERVER_PASSPHRASE}\n"
        )
        config.write_text(text)
    else:
        found = SERVER_PASSPHRASE if where.endswith("PASSPHRASE") else ["another one", SERVER_PASSPHRASE]
        setattr(settings, where, found)
    assert verify_archive(SERVER_ENCRYPTED).databases == 6


def test_errors_of_the_age_format_are_errors_of_archives() -> None:
    assert issubclass(AgeError, ArchiveError)
