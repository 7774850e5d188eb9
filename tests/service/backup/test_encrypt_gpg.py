"""Archives encrypted by gpg, as docs/encryption.md describes it, from backup to restore."""

import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from pytest_django import Settings

from backups.archive.encryption import KeyMatch
from backups.archive.errors import ArchiveError
from backups.errors import BackupError
from backups.models import BackupExecution
from backups.service.archives.signatures import State, signature_state
from backups.service.catalogue.import_file import import_archive
from backups.service.catalogue.sync import import_backups
from backups.service.drill.run import verify_archive, verify_backup
from backups.service.keys.check import check_keys
from destinations.models import BackupDestination
from tests.support.archives.stored import file_of
from tests.support.databases.sqlite_files import rows_of
from tests.support.programs import require
from tests.support.restores.instance_restores import restore, the_restore
from tests.support.site_fixtures import BackUp

Listing = Callable[[], list[str]]
pytestmark = pytest.mark.django_db(transaction=True)
WHO = "backup@example.org"


@pytest.fixture(scope="module")
def keyring(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return a GNUPGHOME with one key; its agent is ended afterwards."""
    gpg, home = require("gpg"), tmp_path_factory.mktemp("g")
    home.chmod(0o700)
    subprocess.run(
        [gpg, "--homedir", home, "--batch", "--passphrase", "", "--quick-generate-key", WHO, "default", "default"],
        check=True, capture_output=True,
    )  # fmt: skip
    yield home
    subprocess.run([require("gpgconf"), "--homedir", home, "--kill", "all"], check=True)


@pytest.fixture
def gpg(keyring: Path, settings: Settings) -> Path:
    """Encrypt with gpg, by the settings of docs/encryption.md."""
    common = ["gpg", "--homedir", str(keyring), "--batch"]
    settings.BACKUP_ENCRYPTION = "program"
    settings.BACKUP_ENCRYPTION_PROGRAM_ENCRYPT = [*common, "--trust-model", "always", "--encrypt", "--recipient", WHO]
    settings.BACKUP_ENCRYPTION_PROGRAM_DECRYPT = [*common, "--quiet", "--decrypt"]
    settings.BACKUP_ENCRYPTION_PROGRAM_EXTENSION = ".gpg"
    return keyring


@pytest.fixture
def execution(gpg: Path, shop: Path, back_up: BackUp) -> BackupExecution:
    return back_up("shop")


def test_gpg_and_tar_open_it(execution: BackupExecution, gpg: Path, shop: Path, tmp_path: Path) -> None:
    line = f"gpg --homedir {gpg} --batch --quiet --decrypt {file_of(execution)} | tar -xzC {tmp_path} orders.db"
    subprocess.run(["bash", "-c", f"set -o pipefail; {line}"], check=True)

    assert execution.backup_filename.endswith("-manual.tar.gz.gpg")
    assert (execution.encryption, execution.recipients) == ("program", [])
    assert execution.manifest_json["encryption_metadata"] == {"program": "gpg"}
    assert rows_of(tmp_path / "orders.db") == rows_of(shop / "orders.db")


def test_it_is_signed_verified_and_restored(execution: BackupExecution, shop: Path) -> None:
    before = rows_of(shop / "orders.db")
    with closing(sqlite3.connect(shop / "orders.db")) as connection:
        connection.execute("DELETE FROM orders")
        connection.commit()

    assert verify_backup(execution, by="tests").databases == 1
    done = restore(execution)

    assert rows_of(shop / "orders.db") == before
    assert done.safety_backup is not None
    assert done.safety_backup.encryption == "program"


def test_its_file_is_restored_on_its_own_too(execution: BackupExecution, shop: Path, tmp_path: Path) -> None:
    file = tmp_path / execution.backup_filename
    file.write_bytes(file_of(execution).read_bytes())
    restore(file, "shop", accept_unsigned=True)
    assert the_restore().status == "completed"


def test_it_is_adopted_and_imported_as_what_it_is(
    execution: BackupExecution, destination: BackupDestination, tmp_path: Path
) -> None:
    kept = tmp_path / "kept.tar.gz.gpg"
    kept.write_bytes(file_of(execution).read_bytes())
    execution.delete()
    (adopted,) = import_backups(destination, by="tests").adopted
    assert (adopted.encryption, adopted.backup_filename[-11:]) == ("program", ".tar.gz.gpg")
    assert signature_state(adopted).state is State.SIGNED

    adopted.delete()
    imported = import_archive(kept, destination, by="tests")
    assert (imported.encryption, imported.backup_filename[-11:]) == ("program", ".tar.gz.gpg")


def test_a_key_that_is_not_there_is_told_with_what_gpg_says(
    execution: BackupExecution, settings: Settings, tmp_path: Path, destination: BackupDestination, workspaces: Listing
) -> None:
    assert [look.verdict for look in check_keys(destination)] == [KeyMatch.OPENS]
    empty = tmp_path / "empty"
    empty.mkdir(mode=0o700)
    settings.BACKUP_ENCRYPTION_PROGRAM_DECRYPT = [
        "gpg",
        "--homedir",
        str(empty),
        "--batch",
        "--no-autostart",
        "--decrypt",
    ]

    with pytest.raises(ArchiveError, match=r"cannot be opened: The program gpg failed with exit status 2: .*"):
        verify_backup(execution, by="tests")
    assert [look.verdict for look in check_keys(destination)] == [KeyMatch.LOST]
    assert workspaces() == []


def test_an_archive_that_was_cut_is_refused(execution: BackupExecution, tmp_path: Path) -> None:
    cut = tmp_path / execution.backup_filename
    cut.write_bytes(file_of(execution).read_bytes()[:-30])
    with pytest.raises(ArchiveError, match="cannot be opened: The program gpg failed with exit status 2"):
        verify_archive(cut)


@pytest.mark.parametrize(
    "program",
    ["cat >/dev/null; echo hello", 'text=$(base64); echo "$text" | head -c 200'],
    ids=["another text", "the beginning alone"],
)
def test_what_the_programs_do_not_open_again_is_no_backup(
    shop: Path, back_up: BackUp, settings: Settings, program: str, archives: Listing, workspaces: Listing
) -> None:
    settings.BACKUP_ENCRYPTION = "program"
    settings.BACKUP_ENCRYPTION_PROGRAM_ENCRYPT = ["sh", "-c", program]
    settings.BACKUP_ENCRYPTION_PROGRAM_DECRYPT = ["sh", "-c", "base64 -di"]
    settings.BACKUP_ENCRYPTION_PROGRAM_EXTENSION = ".b64"
    with pytest.raises(BackupError, match=r"^The archive cannot be opened after its encryption: ") as refused:
        back_up("shop")

    assert refused.value.hint.startswith("Try both programs by hand; ")
    assert BackupExecution.objects.get().status == "failed"
    assert (archives(), workspaces()) == ([], [])


def test_a_program_that_gives_an_older_archive_is_found_out(
    shop: Path, back_up: BackUp, settings: Settings, tmp_path: Path
) -> None:
    older = tmp_path / "older"
    settings.BACKUP_ENCRYPTION = "program"
    settings.BACKUP_ENCRYPTION_PROGRAM_ENCRYPT = [
        "sh",
        "-c",
        f"base64 >{older}.new; test -e {older} || cp {older}.new {older}; cat {older}",
    ]
    settings.BACKUP_ENCRYPTION_PROGRAM_DECRYPT = ["base64", "-d"]
    settings.BACKUP_ENCRYPTION_PROGRAM_EXTENSION = ".b64"
    assert back_up("shop").status == "completed"

    with pytest.raises(BackupError, match="another archive than the one that was encrypted"):
        back_up("shop")
