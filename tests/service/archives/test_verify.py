"""Verification finds every way in which an archive can be not what was backed up."""

import hashlib
import io
import json
import shutil
import sqlite3
import tarfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User

from backups.archive.errors import ArchiveError
from backups.errors import BackupError, ComponentError
from backups.models import BackupExecution
from backups.service.drill.run import verify_archive, verify_backup
from destinations.exceptions import DestinationUnavailable, NotFound
from tests.instances.kinds.tacacs.test_component import ARCHIVE
from tests.support.archives.stored import file_of
from tests.support.site_fixtures import BackUp

Listing = Callable[[], list[str]]
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def execution(back_up: BackUp, tacacs_root: Path) -> BackupExecution:
    return back_up()


def members_of(archive: Path) -> dict[str, bytes]:
    with tarfile.open(archive) as tar:
        return {member.name: file.read() for member in tar if (file := tar.extractfile(member))}


def write(archive: Path, members: dict[str, bytes]) -> Path:
    with tarfile.open(archive, "w:gz") as tar:
        for name, data in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return archive


def replaced(archive: Path, target: Path, file: str, data: bytes, **facts: Any) -> Path:
    """Write a copy of `archive` to `target` in which `file` is other data, and the manifest says so."""
    members = members_of(archive) | {file: data}
    manifest = json.loads(members["manifest.json"])
    for entry in manifest["contents"]:
        if entry["file"] == file:
            manifest["total_size_bytes"] += len(data) - entry["size_bytes"]
            entry.update(size_bytes=len(data), checksum_sha256=hashlib.sha256(data).hexdigest(), **facts)
    return write(target, members | {"manifest.json": json.dumps(manifest).encode()})


def test_a_good_backup_is_verified_and_the_time_recorded(execution: BackupExecution, workspaces: Listing) -> None:
    verified = verify_backup(execution, by="tests")
    assert (len(verified.manifest.contents), verified.databases) == (8, 6)
    execution.refresh_from_db()
    assert execution.verified_at is not None
    assert workspaces() == []


def test_a_good_file_is_verified_wherever_it_lies(execution: BackupExecution, tmp_path: Path) -> None:
    verified = verify_archive(shutil.copy(file_of(execution), tmp_path / "copy"))
    assert verified.manifest.to_dict() == execution.manifest_json


def test_an_archive_of_the_server_itself_is_verified(home: Path) -> None:
    verified = verify_archive(ARCHIVE)
    assert verified.manifest.is_foreign
    assert (verified.manifest.instance_name, verified.databases) == ("tacacs-hq", 6)


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "a byte flipped in the header": lambda data: flipped(data, 0),
    "a byte flipped in the manifest": lambda data: flipped(data, 500),
    "a byte flipped in the middle": lambda data: flipped(data, len(data) // 2),
    "a byte flipped near the end": lambda data: flipped(data, len(data) - 200),
    "a byte flipped in the checksum of the stream": lambda data: flipped(data, len(data) - 6),
    "the last byte cut": lambda data: data[:-1],
    "the second half cut": lambda data: data[: len(data) // 2],
    "everything cut": lambda _: b"",
    "a byte added": lambda data: data + b"!",
    "zeros in a block": lambda data: data[:100_000] + bytes(4096) + data[104_096:],
}


def flipped(data: bytes, position: int) -> bytes:
    return data[:position] + bytes([data[position] ^ 0x40]) + data[position + 1 :]


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_is_found_at_the_destination_and_in_a_file(
    execution: BackupExecution, damage: str, tmp_path: Path, workspaces: Listing
) -> None:
    archive = file_of(execution)
    archive.write_bytes(DAMAGE[damage](archive.read_bytes()))
    with pytest.raises(
        ArchiveError, match=r"^tacacs-hq/manual/.* at nas is not what was uploaded: its SHA-256 differs\.$"
    ):
        verify_backup(execution, by="tests")
    with pytest.raises(ArchiveError):
        verify_archive(shutil.copy(archive, tmp_path / "copy.tar.gz"))
    assert workspaces() == []


def test_another_backup_under_the_name_is_found(execution: BackupExecution, back_up: BackUp) -> None:
    other = back_up()
    for suffix in ("", ".minisig"):
        shutil.copy(f"{file_of(other)}{suffix}", f"{file_of(execution)}{suffix}")
    # whether its own signature lies beside it or not
    with pytest.raises(ArchiveError, match="SHA-256 differs"):
        verify_backup(execution, by="tests")
    Path(f"{file_of(execution)}.minisig").unlink()
    with pytest.raises(ArchiveError, match="SHA-256 differs"):
        verify_backup(execution, by="tests")
    assert verify_archive(file_of(execution)).databases == 6


def test_a_database_swapped_inside_is_found(execution: BackupExecution, tmp_path: Path) -> None:
    members = members_of(file_of(execution))
    swapped = write(tmp_path / "swapped.tar.gz", members | {"devices.db": members["audit_trail.db"]})
    with pytest.raises(ArchiveError, match=r"^devices\.db has \d+ bytes in the archive, but \d+ in the manifest"):
        verify_archive(swapped)


def test_rows_that_the_manifest_does_not_count_are_found(execution: BackupExecution, tmp_path: Path) -> None:
    archive = file_of(execution)
    forged = replaced(archive, tmp_path / "forged.tar.gz", "devices.db", members_of(archive)["audit_trail.db"])
    with pytest.raises(ComponentError, match=r"^devices\.db does not hold the rows that the manifest counts: "):
        verify_archive(forged)


def test_a_table_that_is_gone_is_named(execution: BackupExecution, tmp_path: Path) -> None:
    archive, path = file_of(execution), tmp_path / "devices.db"
    path.write_bytes(members_of(archive)["devices.db"])
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TABLE devices")
    forged = replaced(archive, tmp_path / "forged.tar.gz", "devices.db", path.read_bytes())
    with pytest.raises(
        ComponentError, match=r"^devices\.db does not hold the rows that the manifest counts: devices, sqlite_seq"
    ):
        verify_archive(forged)


def test_a_corrupt_database_inside_is_found_though_every_checksum_agrees(
    execution: BackupExecution, tmp_path: Path
) -> None:
    archive = file_of(execution)
    data = bytearray(members_of(archive)["tacacs_accounting.db"])
    data[40 * 4096 : 41 * 4096] = b"\xff" * 4096
    forged = replaced(archive, tmp_path / "forged.tar.gz", "tacacs_accounting.db", bytes(data))
    with pytest.raises(ComponentError, match=r"^tacacs_accounting\.db is corrupt: "):
        verify_archive(forged)


@pytest.mark.parametrize("change", ["missing", "extra"])
def test_a_file_missing_or_extra_is_named(execution: BackupExecution, tmp_path: Path, change: str) -> None:
    members = members_of(file_of(execution))
    if change == "missing":
        del members["audit_trail.db"]
        expected = r"^audit_trail\.db is listed in the manifest but is not in the archive"
    else:
        members["evil.sh"] = b"#!/bin/sh"
        expected = r"^evil\.sh is in the archive but is not listed in the manifest"
    with pytest.raises(ArchiveError, match=expected):
        verify_archive(write(tmp_path / "changed.tar.gz", members))


def test_an_archive_that_is_gone_is_named(execution: BackupExecution, home: Path) -> None:
    file_of(execution).rename(home / "taken")
    with pytest.raises((NotFound, DestinationUnavailable)) as refused:
        verify_backup(execution, by="tests")
    assert str(home / "backups" / "nas") in refused.value.message
    assert refused.value.hint


def test_a_backup_that_failed_has_nothing_to_verify(execution: BackupExecution) -> None:
    BackupExecution.objects.update(status="failed")
    execution.refresh_from_db()
    with pytest.raises(BackupError, match=r"^backup-tacacs-hq-.* has no archive to verify\.$"):
        verify_backup(execution, by="tests")


def test_a_backup_found_damaged_does_not_count_as_verified_any_more(execution: BackupExecution) -> None:
    person = User.objects.create_user("ada")
    verify_backup(execution, by=person)
    archive = file_of(execution)
    archive.write_bytes(flipped(archive.read_bytes(), 5000))
    with pytest.raises(ArchiveError):
        verify_backup(execution, by=person)
    execution.refresh_from_db()
    assert (execution.verified_at, execution.flaw) == (None, "its verification failed")
    assert execution.verification is not None
    assert "SHA-256 differs" in execution.verification["error"]
    assert {entry.change_message for entry in LogEntry.objects.all()} == {
        "Started a verification.", f"Started the verification of {execution}.",
    }  # fmt: skip


def test_a_destination_that_is_away_says_nothing_about_the_archive(execution: BackupExecution, home: Path) -> None:
    verify_backup(execution, by="tests")
    (home / "backups").rename(home / "away")
    with pytest.raises(DestinationUnavailable):
        verify_backup(execution, by="tests")
    execution.refresh_from_db()
    assert execution.verified_at is not None
