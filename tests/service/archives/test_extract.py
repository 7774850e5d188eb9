"""Unpacking verified components into a folder that belongs to no instance."""

import hashlib
import os
import stat
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from pytest_django import Settings

from backups.archive.errors import ArchiveError
from backups.archive.manifest.document import Entry, Manifest
from backups.archive.tar.write import Part, write_archive
from backups.errors import BackupError
from backups.models import BackupExecution
from backups.service.archives.extract import extract
from tests.support.archives.crafted import SERVER_ENCRYPTED, SERVER_PASSPHRASE, SERVER_PLAIN
from tests.support.call_commands import command, refused
from tests.support.databases.sqlite_files import rows_of
from tests.support.programs import require
from tests.support.restores.component_restores import state_of
from tests.support.restores.instance_restores import tree
from tests.support.rows import a_manifest
from tests.support.site_fixtures import BackUp, Declare

pytestmark = pytest.mark.django_db
Listing = Callable[[], list[str]]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_everything_is_unpacked_verified_and_private(
    store: Path, back_up: BackUp, tmp_path: Path, workspaces: Listing
) -> None:
    backup = back_up("store")
    before = state_of(store)
    done = extract(backup, tmp_path / "out", by="tests")
    assert names(tmp_path / "out") == ["manifest.json", "orders.db", "settings.ini", "uploads"]
    assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == 0o700
    assert rows_of(tmp_path / "out" / "orders.db") == rows_of(store / "orders.db")
    assert (tmp_path / "out" / "settings.ini").read_bytes() == (store / "settings.ini").read_bytes()
    assert [entry.file for entry in done.files] == ["orders.db", "settings.ini"]
    assert [entry.component for entry in done.trees] == ["uploads"]
    assert Manifest.from_json((tmp_path / "out" / "manifest.json").read_bytes()).to_dict() == backup.manifest_json
    assert state_of(store) == before
    assert workspaces() == []


def test_a_folder_comes_back_with_its_modes_links_and_empty_folders(
    store: Path, back_up: BackUp, tmp_path: Path
) -> None:
    (store / "uploads" / "folder").chmod(0o750)
    (store / "uploads" / "one.bin").chmod(0o640)
    expected = tree(store / "uploads")
    extract(back_up("store"), tmp_path / "out", ["uploads"], by="tests")
    assert names(tmp_path / "out") == ["manifest.json", "uploads"]
    assert tree(tmp_path / "out" / "uploads") == expected


def test_it_is_what_stock_tar_unpacks(store: Path, back_up: BackUp, home: Path, tmp_path: Path) -> None:
    backup = back_up("store")
    extract(backup, tmp_path / "ours", by="tests")
    (tmp_path / "stock").mkdir()
    tar = require("tar")
    archive = home / "backups" / "nas" / backup.backup_path
    subprocess.run([tar, "xzf", archive, "-C", tmp_path / "stock"], check=True)
    (tmp_path / "stock" / "uploads").mkdir()
    subprocess.run([tar, "xf", tmp_path / "stock" / "uploads.tar", "-C", tmp_path / "stock" / "uploads"], check=True)
    (tmp_path / "stock" / "uploads.tar").unlink()
    (tmp_path / "stock" / "manifest.json").unlink()
    (tmp_path / "ours" / "manifest.json").unlink()
    assert tree(tmp_path / "ours") == tree(tmp_path / "stock")


def test_a_single_file_that_is_a_tar_itself_stays_one(tmp_path: Path, declare: Declare, back_up: BackUp) -> None:
    root = tmp_path / "museum"
    root.mkdir()
    with tarfile.open(root / "old.tar", "w") as old:
        old.add(__file__, "test.py")
    declare(f'[museum]\nkind = "generic"\nroot = "{root}"\n[museum.components.old]\nkind = "files"\npath = "old.tar"\n')
    done = extract(back_up("museum"), tmp_path / "out", by="tests")
    assert [entry.file for entry in done.files] == ["old.file.tar"]
    assert (tmp_path / "out" / "old.file.tar").read_bytes() == (root / "old.tar").read_bytes()


@pytest.mark.parametrize("archive", [SERVER_PLAIN, SERVER_ENCRYPTED], ids=["plain", "encrypted"])
def test_the_servers_own_archives_are_unpacked_by_component(
    home: Path, settings: Settings, tmp_path: Path, archive: Path
) -> None:
    settings.BACKUP_ENCRYPTION_PASSPHRASE = SERVER_PASSPHRASE
    done = extract(archive, tmp_path / "out", ["config", "users"], by="tests")
    assert names(tmp_path / "out") == [
        "config_export.json", "config_overrides.db", "local_auth.db", "manifest.json", "tacacs.conf",
    ]  # fmt: skip
    assert done.rows == 143


def test_a_damaged_archive_leaves_nothing_and_an_empty_folder_stays(
    store: Path, back_up: BackUp, home: Path, tmp_path: Path
) -> None:
    backup = back_up("store")
    archive = home / "backups" / "nas" / backup.backup_path
    content = archive.read_bytes()
    copy = tmp_path / "copy.tar.gz"
    copy.write_bytes(content[: len(content) // 2])
    (tmp_path / "empty").mkdir()
    for target in (tmp_path / "new", tmp_path / "empty"):
        with pytest.raises(ArchiveError, match="truncated"):
            extract(copy, target, by="tests")
    assert not (tmp_path / "new").exists()
    assert names(tmp_path / "empty") == []


def test_a_database_that_is_not_what_the_manifest_counts_leaves_nothing(
    store: Path, home: Path, tmp_path: Path
) -> None:
    database = store / "orders.db"
    checksum = hashlib.sha256(database.read_bytes()).hexdigest()
    lie = Entry("orders.db", database.stat().st_size, checksum, "database", "orders", 51, {"orders": 51})
    with (tmp_path / "lie.tar.gz").open("wb") as archive:
        write_archive(archive, a_manifest("store", contents=(lie,), absent=()), [Part(database, "orders.db")])
    with pytest.raises(BackupError, match=r"orders.db does not hold the rows that the manifest counts: orders"):
        extract(tmp_path / "lie.tar.gz", tmp_path / "out", by="tests")
    assert not (tmp_path / "out").exists()


def test_only_a_new_or_an_empty_folder_is_taken(store: Path, back_up: BackUp, tmp_path: Path) -> None:
    backup = back_up("store")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").write_text("mine")
    (tmp_path / "file").write_text("file")
    (tmp_path / "link").symlink_to(tmp_path / "full")
    assert "it is not empty" in refused("restore", backup.pk, "--to", tmp_path / "full")
    assert "it is not a folder" in refused("restore", backup.pk, "--to", tmp_path / "file")
    assert "it is not a folder" in refused("restore", backup.pk, "--to", tmp_path / "link")
    said = refused("restore", backup.pk, "--to", tmp_path / "missing" / "out")
    assert said.startswith(f"{tmp_path}/missing is not a folder")
    assert names(tmp_path / "full") == ["mine"]


def test_no_folder_of_a_service_or_of_this_site_is_taken(store: Path, home: Path, back_up: BackUp) -> None:
    backup = back_up("store")
    for root, whose in (
        (store, "instance store"), (home / "backups", "the archives of this site"),
        (home / "workspaces", "the workspaces of this site"),
    ):  # fmt: skip
        assert refused("restore", backup.pk, "--to", root / "out").startswith(f"{root}/out lies in {root}, of {whose}")
        assert not (root / "out").exists()


def test_unknown_components_are_refused_with_those_the_archive_has(
    store: Path, back_up: BackUp, tmp_path: Path
) -> None:
    backup = back_up("store")
    said = refused("restore", backup.pk, "--component", "devices", "--to", tmp_path / "out")
    assert "no component 'devices' to unpack" in said
    assert "orders, uploads, settings" in said
    assert not (tmp_path / "out").exists()


def test_the_command_touches_no_instance_and_is_logged(
    store: Path, back_up: BackUp, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    backup = back_up("store")
    caplog.clear()
    target = tmp_path / "out"
    done = command("restore", backup.pk, "--component", "orders", "--to", target, "--json")
    size = (target / "orders.db").stat().st_size
    assert done.data == {
        "directory": str(target), "files": ["orders.db"], "folders": [], "bytes": size, "rows": 50, "warnings": [],
    }  # fmt: skip
    assert f"backup.extracted backup={backup.pk} instance=store directory={target} files=1 by=" in caplog.text
    assert BackupExecution.objects.count() == 1
    target = tmp_path / "again"
    os.mkdir(target)  # noqa: PTH102
    assert command("restore", backup.pk, "--to", target).out == (
        f"unpacked     {target}: 2 files, 1 folder and 50 rows; every checksum agrees, every database is sound\n"
    )
