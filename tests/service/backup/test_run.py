"""The main job: a real instance becomes an archive that stock programs open and that agrees with its manifest."""

import gzip
import hashlib
import json
import socket
import subprocess
import tarfile
from collections.abc import Callable
from datetime import timedelta
from itertools import count, pairwise
from pathlib import Path
from types import SimpleNamespace

import pytest
from django.utils import timezone

from backups.models import BackupExecution
from backups.runs import claim
from backups.service.archives.records.delete import delete_backup
from destinations.models import BackupDestination
from tests.support.databases.sqlite_files import make_database, rows_of
from tests.support.programs import require
from tests.support.site_fixtures import BackUp, Declare

Listing = Callable[[], list[str]]
pytestmark = pytest.mark.django_db(transaction=True)
MEMBERS = [
    "manifest.json", "config_overrides.db", "tacacs.conf", "config_export.json", "devices.db", "local_auth.db",
    "tacacs_accounting.db", "metrics_history.db", "audit_trail.db",
]  # fmt: skip


def archive_of(execution: BackupExecution, home: Path) -> Path:
    return home / "backups" / "nas" / execution.backup_path


def tar(*arguments: object) -> str:
    run = subprocess.run([require("tar"), *map(str, arguments)], capture_output=True, text=True, check=True)
    assert run.stderr == ""
    return run.stdout


def test_plain_tar_lists_and_unpacks_a_backup_and_sha256sum_agrees(
    back_up: BackUp, tacacs_root: Path, home: Path, tmp_path: Path
) -> None:
    archive = archive_of(back_up(), home)
    assert tar("--list", "--file", archive).splitlines() == MEMBERS
    folder = tmp_path / "unpacked"
    folder.mkdir()
    tar("--extract", "--file", archive, "--directory", folder)
    manifest = json.loads((folder / "manifest.json").read_bytes())
    sums = "".join(f"{entry['checksum_sha256']}  {entry['file']}\n" for entry in manifest["contents"])
    checked = subprocess.run(
        [require("sha256sum"), "--check", "--strict"], input=sums, cwd=folder, capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    assert checked.stdout.count(": OK") == len(MEMBERS) - 1
    assert {entry["file"]: entry["size_bytes"] for entry in manifest["contents"]} == {
        path.name: path.stat().st_size for path in folder.iterdir() if path.name != "manifest.json"
    }


def test_counts_equal_the_live_tables(back_up: BackUp, tacacs_root: Path) -> None:
    manifest = back_up().manifest_json
    assert manifest is not None
    databases = [entry for entry in manifest["contents"] if entry["type"] == "database"]
    assert len(databases) == 6
    for entry in databases:
        live = tacacs_root / "data" / entry["file"]
        names = [name for (name,) in rows_of(live, "SELECT name FROM sqlite_master WHERE type = 'table'")]
        counted = {name: rows_of(live, f'SELECT count(*) FROM "{name}"')[0][0] for name in names}
        assert entry["tables"] == counted
        assert entry["records"] == sum(int(str(rows)) for rows in counted.values())


def test_the_manifest_has_the_keys_that_the_server_reads(back_up: BackUp, tacacs_root: Path, home: Path) -> None:
    execution = back_up()
    with tarfile.open(archive_of(execution, home)) as archive:
        first = archive.next()
        assert first is not None
        file = archive.extractfile(first)
        assert file is not None
        manifest = json.load(file)
    assert (first.name, manifest) == ("manifest.json", execution.manifest_json)
    assert manifest["backup_metadata"] == {
        "instance_id": "instance_bdda6c97",
        "instance_name": "tacacs-hq",
        "hostname": socket.gethostname(),
        "backup_type": "manual",
        "timestamp_utc": execution.started_at.isoformat() if execution.started_at else "",
        "triggered_by": "tests",
        "backup_version": "1.0",
    }
    assert set(manifest["system_info"]) == {"server_version", "python_version", "platform", "sqlite_version"}
    assert manifest["config_info"]["config_source"] == "file"
    assert manifest["config_info"]["has_overrides"] is True
    assert manifest["total_size_bytes"] == sum(entry["size_bytes"] for entry in manifest["contents"])
    assert (manifest["encrypted"], manifest["format"]) == (False, 1)


def test_the_row_says_what_was_made(back_up: BackUp, tacacs_root: Path, home: Path, workspaces: Listing) -> None:
    before = timezone.now()
    execution = back_up(comment="before the upgrade")
    execution.refresh_from_db()
    data = archive_of(execution, home).read_bytes()
    assert execution.status == "completed"
    assert execution.backup_path == f"tacacs-hq/manual/{execution.backup_filename}"
    assert execution.backup_filename == f"backup-tacacs-hq-{execution.started_at:%Y%m%d-%H%M%S}-manual.tar.gz"
    assert execution.archive_sha256 == hashlib.sha256(data).hexdigest()
    assert execution.compressed_size_bytes == len(data)
    assert execution.files_included == len(MEMBERS) - 1
    assert execution.manifest_json is not None
    assert execution.size_bytes == execution.manifest_json["total_size_bytes"]
    assert (execution.comment, execution.triggered_by, execution.kind) == ("before the upgrade", "tests", "manual")
    assert (execution.stage, execution.progress_percent, execution.planned_path) == ("done", 100, "")
    assert execution.worker.startswith(f"{socket.gethostname()}:")
    assert execution.started_at is not None
    assert execution.completed_at is not None
    assert before <= execution.started_at <= execution.completed_at <= timezone.now()
    assert (execution.error_message, execution.warnings) == ("", [])
    assert workspaces() == []


def test_the_timeline_names_every_stage_in_order(back_up: BackUp, tacacs_root: Path) -> None:
    execution = back_up()
    assert [stage for stage, _ in execution.timeline] == [
        "preparing", "exporting", "checking", "packing", "uploading", "recording", "completed",
    ]  # fmt: skip
    assert all(earlier <= later for (_, earlier), (_, later) in pairwise(execution.timeline))


def test_the_destination_knows_its_last_backup(
    back_up: BackUp, tacacs_root: Path, destination: BackupDestination
) -> None:
    execution = back_up()
    destination.refresh_from_db()
    assert (destination.last_backup_at, destination.last_backup_status) == (execution.completed_at, "completed")
    assert destination.established is True


def test_archives_are_private(back_up: BackUp, tacacs_root: Path, home: Path) -> None:
    archive = archive_of(back_up(), home)
    assert archive.stat().st_mode & 0o777 == 0o600
    assert {folder.stat().st_mode & 0o777 for folder in archive.parents[:4]} == {0o700}
    assert (home / "workspaces").stat().st_mode & 0o777 == 0o700
    with tarfile.open(archive) as members:
        assert {member.mode for member in members} == {0o600}


def test_the_workspace_is_private_while_a_backup_runs(
    back_up: BackUp, tacacs_root: Path, home: Path, on_stage: Callable[[str, Callable[[], None]], None]
) -> None:
    seen: dict[str, int] = {}

    def look() -> None:
        for path in (home / "workspaces").rglob("*"):
            seen[path.name] = path.stat().st_mode & 0o777

    on_stage("packing", look)
    execution = back_up()
    assert seen.pop(execution.pk) == seen.pop("export") == seen.pop("packed") == 0o700
    assert set(seen) == {f"{execution.pk}.lock", *MEMBERS[1:]}
    assert set(seen.values()) == {0o600}


def test_a_service_is_left_as_it_was(back_up: BackUp, tacacs_root: Path) -> None:
    def content() -> dict[str, bytes]:
        files = [path for path in tacacs_root.rglob("*") if path.is_file()]
        return {path.name: path.read_bytes() for path in files if not path.name.endswith(("-wal", "-shm"))}

    before = content()
    back_up()
    assert content() == before


def test_a_generic_instance_is_backed_up_with_its_components(
    back_up: BackUp, declare: Declare, home: Path, tmp_path: Path
) -> None:
    shop = tmp_path / "shop"
    (shop / "uploads" / "deep").mkdir(parents=True)
    (shop / "uploads" / "deep" / "photo.jpg").write_bytes(b"\xff\xd8")
    (shop / "archive").write_text("a file called like the archive in the workspace")
    make_database(shop / "orders.sqlite3", rows=7)
    components = {
        "orders": ("sqlite", "orders.sqlite3"),
        "uploads": ("files", "uploads"),
        "archive": ("files", "archive"),
    }
    declare(
        f'[shop]\nkind = "generic"\nroot = "{shop}"\n'
        + "".join(f'[shop.components.{name}]\nkind = "{kind}"\npath = "{path}"\n'
                  for name, (kind, path) in components.items())
    )  # fmt: skip
    execution = back_up("shop")
    manifest = execution.manifest_json
    assert manifest is not None
    found = [(entry["component"], entry["file"], entry["type"], entry.get("records")) for entry in manifest["contents"]]
    assert found == [
        ("orders", "orders.sqlite3", "database", 7),
        ("uploads", "uploads.tar", "data", None),
        ("archive", "archive", "data", None),
    ]
    assert manifest["backup_metadata"]["instance_id"] == "shop"
    assert manifest["config_info"] == {"config_source": None, "config_hash": None, "has_overrides": None}
    archive = archive_of(execution, home)
    unpacking = subprocess.run([require("tar"), "-xOf", archive, "uploads.tar"], capture_output=True, check=True)
    nested = subprocess.run([require("tar"), "-t"], input=unpacking.stdout, capture_output=True, check=True)
    assert nested.stdout.splitlines() == [b"./", b"deep/", b"deep/photo.jpg"]


def test_a_taken_name_gets_a_suffix(back_up: BackUp, tacacs_root: Path, home: Path, archives: Listing) -> None:
    now = timezone.now()
    folder = home / "backups" / "nas" / "tacacs-hq" / "manual"
    folder.mkdir(parents=True)
    for second in range(30):
        (folder / f"backup-tacacs-hq-{now + timedelta(seconds=second):%Y%m%d-%H%M%S}-manual.tar.gz").write_text("other")
    execution = back_up()
    assert execution.backup_filename.endswith("-manual-2.tar.gz")
    assert len(archives()) == 31
    assert gzip.decompress(archive_of(execution, home).read_bytes())[:13] == b"manifest.json"


def test_the_name_of_an_archive_that_is_not_there_any_more_is_not_given_again(
    back_up: BackUp, tacacs_root: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    second, microseconds = timezone.now().replace(microsecond=0), count()
    clock = SimpleNamespace(now=lambda: second.replace(microsecond=next(microseconds)))
    monkeypatch.setattr(claim, "timezone", clock)
    first = back_up()
    archive_of(first, home).unlink()
    again = back_up()
    assert again.backup_path == first.backup_path.replace("-manual.tar.gz", "-manual-2.tar.gz")
    assert archive_of(again, home).exists()
    # that of a deleted one is free
    delete_backup(again, by="tests", reason="another one is made at once")
    assert back_up().backup_path == again.backup_path
