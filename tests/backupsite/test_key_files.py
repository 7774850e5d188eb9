"""Files of keys and passphrases as editors and accidents leave them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured
from pytest_django import Settings

from backups.archive.encryption.age_files import read_identities
from backups.models import BackupExecution
from backups.service.drill.run import verify_archive
from backupsite import paths
from backupsite.environment import Environment
from tests.support.archives.age_files import IDENTITY
from tests.support.archives.stored import file_of
from tests.support.paths import PROJECT
from tests.support.site_fixtures import BackUp

BOM = b"\xef\xbb\xbf"
NAME = "BACKUP_ENCRYPTION_PASSPHRASE"


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "passphrase"
    monkeypatch.setenv(f"{NAME}_FILE", str(path))
    return path


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n"])
def test_a_byte_order_mark_is_no_part_of_what_a_file_holds(file: Path, end: bytes) -> None:
    file.write_bytes(BOM + b"correct horse" + end)
    assert Environment().str(NAME) == "correct horse"
    assert Environment().marked_lines(NAME) == ["\ufeffcorrect horse"]
    file.write_bytes(b"correct horse" + end)
    assert Environment().marked_lines(NAME) == []


@pytest.mark.parametrize("content", [BOM, BOM + b"\r\n", "correct horse".encode("utf-16")])
def test_a_file_of_a_mark_alone_and_one_in_utf_16_are_refused_by_name(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    with pytest.raises(ImproperlyConfigured, match=f"{NAME}_FILE"):
        Environment().str(NAME)


@pytest.mark.django_db
def test_what_an_earlier_version_encrypted_with_the_mark_is_opened_still(
    file: Path, shop: Path, settings: Settings, back_up: BackUp
) -> None:
    settings.BACKUP_ENCRYPTION_PASSPHRASE = "\ufeffcorrect horse battery"
    with pytest.MonkeyPatch.context() as patch:
        # as it was written before such characters were refused
        patch.setattr("backups.archive.encryption.age_files.require_typeable", lambda passphrase: None)
        back_up("shop")
    archive = file_of(BackupExecution.objects.get())
    file.write_bytes(BOM + b"correct horse battery\r\n")
    settings.BACKUP_ENCRYPTION_PASSPHRASE = Environment().str(NAME)
    settings.BACKUP_ENCRYPTION_OLD_PASSPHRASES = Environment().marked_lines(NAME)
    assert verify_archive(archive).manifest.instance_name == "shop"


def test_an_identity_file_with_a_mark_is_read(tmp_path: Path) -> None:
    path = tmp_path / "identity.txt"
    path.write_bytes(BOM + f"{IDENTITY}\r\n".encode())
    assert read_identities(path) == (IDENTITY,)


@pytest.mark.parametrize("name", [path.name for path in paths.key_files(Path())])
def test_an_empty_key_file_is_refused_with_one_line_and_left_as_it_is(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("\n")
    environment = os.environ | {"BACKUPSITE_HOME": str(tmp_path), "DJANGO_SETTINGS_MODULE": "backupsite.settings"}
    for variable in ("SECRET_KEY", "BACKUP_SECRETS_KEY", "BACKUP_SIGNING_KEY"):
        environment.pop(variable, None)
    run = subprocess.run(
        [sys.executable, PROJECT / "manage.py", "check"], env=environment, capture_output=True, text=True, check=False
    )
    (line,) = run.stderr.splitlines()
    assert (run.returncode, run.stdout) == (1, "")
    assert f"The key file {tmp_path / name} is empty" in line
    assert (tmp_path / name).read_text() == "\n"
