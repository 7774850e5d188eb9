"""Backups that are encrypted: stock programs open ours, and we open theirs."""

import hashlib
import json
import re
import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest
from pytest_django import Settings

from backups.archive import age
from backups.archive.manifest.document import Manifest
from backups.service.archives.fetch import download_backup
from backups.service.archives.signatures import site_key
from backups.service.drill.run import verify_archive, verify_backup
from destinations.models import BackupDestination
from tests.support.archives.age_files import (
    IDENTITY,
    OTHER_IDENTITY,
    OTHER_RECIPIENT,
    PASSPHRASE,
    RECIPIENT,
    identity_file,
    run_age,
    run_age_with_terminal,
)
from tests.support.archives.stored import file_of
from tests.support.databases.sqlite_files import rows_of
from tests.support.programs import require
from tests.support.restores.instance_restores import restore
from tests.support.rows import a_manifest
from tests.support.site_fixtures import BackUp

pytestmark = pytest.mark.django_db(transaction=True)


def unpacked(tar: bytes, folder: Path, how: str = "-xz") -> Path:
    folder.mkdir()
    subprocess.run([require("tar"), how, "-C", folder], input=tar, check=True)
    return folder


def test_age_and_tar_open_a_backup_and_minisign_verifies_it(
    shop: Path, identity: Path, back_up: BackUp, tmp_path: Path
) -> None:
    execution = back_up("shop")
    archive = file_of(execution)

    folder = unpacked(run_age("--decrypt", "-i", identity, archive), tmp_path / "out")
    verified = subprocess.run(
        [require("minisign"), "-Vm", archive, "-P", site_key().public_key.text],
        capture_output=True,
        text=True,
        check=True,
    )

    assert archive.name.endswith("-manual.tar.gz.age")
    assert sorted(path.name for path in folder.iterdir()) == ["manifest.json", "orders.db"]
    assert rows_of(folder / "orders.db") == rows_of(shop / "orders.db")
    assert "Signature and comment signature verified" in verified.stdout
    assert f"file:{archive.name}" in verified.stdout


def test_row_and_manifest_say_which_keys_open_it_and_nothing_secret(
    shop: Path, identity: Path, settings: Settings, back_up: BackUp
) -> None:
    settings.BACKUP_ENCRYPTION_RECIPIENTS = [RECIPIENT, OTHER_RECIPIENT]
    execution = back_up("shop")
    fingerprints = [age.fingerprint(RECIPIENT), age.fingerprint(OTHER_RECIPIENT)]
    manifest = verify_backup(execution, by="tests").manifest

    assert (execution.encryption, execution.recipients) == ("age", fingerprints)
    assert (manifest.encrypted, manifest.encryption_algorithm) == (True, "age-v1")
    assert manifest.encryption_metadata == {"recipients": fingerprints}
    assert manifest == Manifest.from_dict(execution.manifest_json)
    assert execution.archive_blake2b == hashlib.blake2b(file_of(execution).read_bytes()).hexdigest()


def test_each_of_several_recipients_opens_it(shop: Path, settings: Settings, back_up: BackUp, tmp_path: Path) -> None:
    settings.BACKUP_ENCRYPTION_RECIPIENTS = [RECIPIENT, OTHER_RECIPIENT]
    archive = file_of(back_up("shop"))
    for identity in (IDENTITY, OTHER_IDENTITY):
        settings.BACKUP_ENCRYPTION_IDENTITY_FILE = [str(identity_file(tmp_path, identity))]
        assert verify_archive(archive).databases == 1


def test_a_passphrase_encrypts_and_age_opens_it_in_a_terminal(
    shop: Path, settings: Settings, back_up: BackUp, tmp_path: Path
) -> None:
    settings.BACKUP_ENCRYPTION_PASSPHRASE = PASSPHRASE
    execution = back_up("shop")
    plain = tmp_path / "plain.tar.gz"
    run_age_with_terminal(f"{PASSPHRASE}\n", "--decrypt", "-o", plain, file_of(execution))

    assert (execution.encryption, execution.recipients) == ("age", ["passphrase"])
    assert (unpacked(plain.read_bytes(), tmp_path / "out") / "orders.db").exists()
    assert verify_backup(execution, by="tests").databases == 1


def test_an_old_passphrase_and_an_old_identity_still_open_what_was_made_with_them(
    shop: Path, settings: Settings, back_up: BackUp, tmp_path: Path
) -> None:
    settings.BACKUP_ENCRYPTION_PASSPHRASE = "the first of them"
    first = back_up("shop")
    settings.BACKUP_ENCRYPTION_PASSPHRASE = ""
    settings.BACKUP_ENCRYPTION_RECIPIENTS = [RECIPIENT]
    second = back_up("shop")
    settings.BACKUP_ENCRYPTION_RECIPIENTS = [OTHER_RECIPIENT]
    files = [str(identity_file(tmp_path, OTHER_IDENTITY).rename(tmp_path / "new.txt"))]
    settings.BACKUP_ENCRYPTION_IDENTITY_FILE = [*files, str(identity_file(tmp_path, IDENTITY))]
    settings.BACKUP_ENCRYPTION_OLD_PASSPHRASES = ["never used", "the first of them"]

    assert verify_backup(first, by="tests").databases == 1
    assert verify_backup(second, by="tests").databases == 1


@pytest.mark.parametrize("compression", ["gzip", "zstd"])
def test_what_is_packed_with_tar_and_age_restores(
    shop: Path, identity: Path, destination: BackupDestination, tmp_path: Path, compression: str
) -> None:
    archive = packed_by_hand(shop, tmp_path, compression)
    with closing(sqlite3.connect(shop / "orders.db")) as connection:
        connection.execute("DELETE FROM orders WHERE id > 10")
        connection.commit()

    done = restore(archive, "shop", accept_unsigned=True)

    assert len(rows_of(shop / "orders.db")) == 50
    assert done.warnings[0] == "Accepted: the archive is not signed."


def packed_by_hand(shop: Path, folder: Path, compression: str) -> Path:
    """Pack a copy of the database with tar, and encrypt it with age, armoured."""
    parts = folder / "parts"
    parts.mkdir()
    shutil.copy(shop / "orders.db", parts)
    data = (parts / "orders.db").read_bytes()
    entry = {
        "file": "orders.db",
        "size_bytes": len(data),
        "checksum_sha256": hashlib.sha256(data).hexdigest(),
        "type": "database",
        "component": "orders",
    }
    manifest = a_manifest("shop").to_dict() | {"contents": [entry], "total_size_bytes": len(data), "absent": []}
    (parts / "manifest.json").write_text(json.dumps(manifest))
    how = {"gzip": "--gzip", "zstd": "--zstd"}[compression]
    if compression == "zstd":
        require("zstd")
    tar = subprocess.run(
        [require("tar"), how, "-cC", parts, "orders.db", "manifest.json"], check=True, capture_output=True
    ).stdout
    archive = folder / f"by-hand.tar.{compression}.age"
    archive.write_bytes(run_age("--armor", "-r", RECIPIENT, data=tar))
    return archive


def test_zstd_has_an_extension_of_its_own_and_its_program_opens_it(
    shop: Path, identity: Path, settings: Settings, back_up: BackUp, tmp_path: Path
) -> None:
    settings.BACKUP_COMPRESSION = "zstd"
    archive = file_of(back_up("shop"))
    plain = run_age("--decrypt", "-i", identity, archive)
    tar = subprocess.run([require("zstd"), "-dc"], input=plain, capture_output=True, check=True).stdout

    assert archive.name.endswith("-manual.tar.zst.age")
    assert (unpacked(tar, tmp_path / "out", "-x") / "orders.db").exists()
    assert verify_archive(archive).databases == 1


def test_an_encrypted_backup_is_restored_over_an_encrypted_safety_backup_and_undone(
    shop: Path, identity: Path, back_up: BackUp
) -> None:
    execution = back_up("shop")
    before = rows_of(shop / "orders.db")
    with closing(sqlite3.connect(shop / "orders.db")) as connection:
        connection.execute("DELETE FROM orders WHERE id > 10")
        connection.commit()

    done = restore(execution)

    assert rows_of(shop / "orders.db") == before
    assert done.safety_backup is not None
    assert done.safety_backup.backup_filename.endswith("-safety.tar.gz.age")
    assert done.warnings == []


def test_a_download_is_the_encrypted_archive_as_it_is(shop: Path, recipient: str, back_up: BackUp) -> None:
    execution = back_up("shop")
    with download_backup(execution, by="tests") as file:
        assert file.read() == file_of(execution).read_bytes()


def ask_for_encryption(root: Path, passphrase: str) -> None:
    """Let the service in `root` say that its backups are encrypted."""
    config = root / "config" / "tacacs.conf"
    lines = f"[backup]\nencryption_enabled = true\nencryption_passphrase = {passphrase}\n"
    text = re.sub(r"encryption_(enabled|passphrase) *=.*\n", "", config.read_text())
    config.write_text(text.replace("[backup]\n", lines))


def test_the_passphrase_in_the_configuration_of_a_service_encrypts_its_backups_and_opens_them(
    tacacs_root: Path, back_up: BackUp
) -> None:
    ask_for_encryption(tacacs_root, "service's own words")
    execution = back_up("tacacs-hq")

    assert (execution.encryption, execution.recipients) == ("age", ["passphrase"])
    with file_of(execution).open("rb") as file:
        assert age.inspect_header(file).stanza_types == ("scrypt",)
    assert verify_backup(execution, by="tests").databases == 6


def test_the_key_of_the_site_wins_over_that_of_the_service(tacacs_root: Path, identity: Path, back_up: BackUp) -> None:
    ask_for_encryption(tacacs_root, "service's own words")

    assert back_up("tacacs-hq").recipients == [age.fingerprint(RECIPIENT)]
