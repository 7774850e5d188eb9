"""Mode and owner of what a restore creates: what was backed up, never more, whatever the umask."""

import json
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from backups.archive.manifest.permissions import Permissions
from backups.components.files.pack import pack_tree
from backups.components.files.replace import replace_tree
from backups.lib import atomic as replacing
from backups.lib.ownership import ownership_for
from backups.service.archives.extract import extract
from backups.service.restore.preview.build import preview
from tests.service.restore.test_refused_archives import Archive
from tests.support.archives.crafted import SERVER_PLAIN
from tests.support.databases.sqlite_files import make_database
from tests.support.processes.unprivileged_user import NOBODY, open_way, run_as_nobody
from tests.support.programs import missing, require
from tests.support.restores.instance_restores import restore, undo
from tests.support.site_fixtures import TACACS, BackUp, Declare

pytestmark = pytest.mark.django_db
SAFE = """\
[safe]
kind = "generic"
root = "{root}"
[safe.components.key]
kind = "files"
path = "conf/private/server.key"
[safe.components.run]
kind = "files"
path = "conf/run.sh"
[safe.components.users]
kind = "sqlite"
path = "db/users.sqlite3"
[safe.components.log]
kind = "sqlite"
path = "db/log.db"
[safe.components.tree]
kind = "files"
path = "files/tree"
"""
MODES = {
    ".": 0o755, "conf": 0o2750, "conf/private": 0o700, "conf/private/server.key": 0o400, "conf/run.sh": 0o750,
    "db": 0o1770, "db/users.sqlite3": 0o600, "db/log.db": 0o640, "files": 0o711, "files/tree": 0o700,
    "files/tree/open.txt": 0o644, "files/tree/run": 0o4755,
}  # fmt: skip
Modes = dict[str, tuple[str, int, int]]


@pytest.fixture(params=[0o000, 0o077], ids=["umask-000", "umask-077"])
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


@pytest.fixture
def safe(tmp_path: Path, declare: Declare) -> Path:
    """Return the root of an instance with a component of every kind, each with a mode and owner of its own."""
    if os.geteuid() != 0:
        missing("only root can give files away")
    root = tmp_path / "safe"
    for folder in ("conf/private", "db", "files/tree"):
        (root / folder).mkdir(parents=True)
    (root / "conf/private/server.key").write_text("key")
    (root / "conf/run.sh").write_text("#!/bin/sh\n")
    (root / "files/tree/open.txt").write_text("open")
    (root / "files/tree/run").write_text("run")
    make_database(root / "db/users.sqlite3")
    make_database(root / "db/log.db", journal="WAL")
    for name, mode in MODES.items():
        os.chown(root / name, NOBODY, 1)
        (root / name).chmod(mode)
    declare(SAFE.format(root=root))
    return root


def modes(root: Path) -> Modes:
    """Return mode and owner of `root` and everything below it, but for the mark that a restore leaves."""
    found = [path for path in [root, *root.rglob("*")] if path.name != "restart-required.json"]
    infos = {str(path.relative_to(root)): path.lstat() for path in found}
    return {name: (oct(stat.S_IMODE(info.st_mode)), info.st_uid, info.st_gid) for name, info in infos.items()}


def without_permissions(backup_file: Path, target: Path) -> Path:
    """Return the archive as a program that keeps no permissions would have written it."""
    archive = Archive(backup_file, target)
    for entry in archive.manifest["contents"]:
        assert entry.pop("permissions", None) or entry["file"] == "config_export.json"
    return archive.write()


def test_everything_that_is_created_gets_the_mode_and_owner_that_it_had(
    safe: Path, back_up: BackUp, umask: int
) -> None:
    before = modes(safe)
    backup = back_up("safe")
    shutil.rmtree(safe)
    done = restore(backup)
    assert modes(safe) == before
    assert [note for note in done.warnings if "created" in note] == []


@pytest.mark.parametrize("name", [name for name in MODES if name.count("/") and "tree/" not in name])
def test_a_single_component_that_is_gone_comes_back_as_it_was(safe: Path, back_up: BackUp, name: str) -> None:
    before = modes(safe)
    backup = back_up("safe")
    replacing.discard(safe / name)
    restore(backup)
    assert modes(safe) == before


def test_a_server_on_a_new_machine_gets_its_modes_back(tacacs_root: Path, back_up: BackUp, umask: int) -> None:
    (tacacs_root / "data/local_auth.db").chmod(0o640)
    (tacacs_root / "data/config_overrides.db").chmod(0o600)
    (tacacs_root / "config/tacacs.conf").chmod(0o640)
    (tacacs_root / "config").chmod(0o750)
    for name in ("data", "data/devices.db", "config/tacacs.conf"):
        os.chown(tacacs_root / name, NOBODY, NOBODY)
    backup = back_up()
    before = modes(tacacs_root)
    shutil.rmtree(tacacs_root)
    restore(backup)
    created = modes(tacacs_root)
    assert created == {name: before[name] for name in created}
    assert created["data/local_auth.db"][0] == "0o640"


def test_what_is_there_keeps_the_mode_and_owner_that_it_has_now(safe: Path, back_up: BackUp, umask: int) -> None:
    backup = back_up("safe")
    for name in ("conf/private/server.key", "db/users.sqlite3", "db/log.db"):
        (safe / name).chmod(0o606)
        os.chown(safe / name, 0, 0)
    before = modes(safe)
    restore(backup)
    found = modes(safe)
    assert {name: found.get(name) for name in MODES} == {name: before[name] for name in MODES}


def test_without_a_record_files_are_0600_and_folders_0700_and_it_is_said(
    safe: Path, back_up: BackUp, home: Path, tmp_path: Path, umask: int
) -> None:
    backup = back_up("safe")
    shutil.rmtree(safe / "conf")
    shutil.rmtree(safe / "files")
    (safe / "db/users.sqlite3").unlink()
    (safe / "db/log.db").chmod(0o666)
    source = without_permissions(home / "backups" / "nas" / backup.backup_path, tmp_path / "old.tar.gz")
    done = restore(source, "safe", accept_unsigned=True)
    found = modes(safe)
    assert found["conf"] == found["conf/private"] == found["files"] == ("0o700", NOBODY, 1)
    assert found["conf/private/server.key"] == found["conf/run.sh"] == ("0o600", NOBODY, 1)
    assert found["db/users.sqlite3"] == ("0o600", NOBODY, 1)
    assert found["db/log.db"][0] == "0o666"
    assert found["files/tree"] == ("0o700", NOBODY, 1)
    notes = [note for note in done.warnings if "the backup does not say what it had" in note]
    assert [note.split()[0] for note in notes if "users" in note or "run.sh" in note] == [
        str(safe / "conf/run.sh"),
        str(safe / "db/users.sqlite3"),
    ]


def test_an_archive_of_the_server_itself_creates_private_files(tmp_path: Path, declare: Declare, umask: int) -> None:
    root = tmp_path / "new"
    declare(TACACS.format(root=root))
    restore(SERVER_PLAIN, "tacacs-hq", accept_unsigned=True, force_invalid_config=True)
    assert {mode for name, (mode, *_) in modes(root).items() if (root / name).is_file()} == {"0o600"}
    assert {mode for name, (mode, *_) in modes(root).items() if (root / name).is_dir()} == {"0o700"}


def test_an_archive_that_nobody_known_signed_creates_nothing_that_others_may_write(
    safe: Path, back_up: BackUp, home: Path, tmp_path: Path
) -> None:
    backup = back_up("safe")
    archive = Archive(home / "backups" / "nas" / backup.backup_path, tmp_path / "crafted.tar.gz")
    archive.entry("key.key")["permissions"] |= {"mode": "6777"}
    archive.entry("key.key")["permissions"]["folders"][0] |= {"mode": "0777"}
    archive.entry("users.sqlite3")["permissions"] |= {"mode": "2666"}
    shutil.rmtree(safe / "db")
    shutil.rmtree(safe / "conf")
    file = archive.write()
    shown = json.dumps(preview(file, "safe", trusted=False).to_dict())
    assert "mode 0644" in shown and "mode 0755" in shown and "2666" not in shown
    shutil.rmtree(safe)
    done = restore(file, "safe", accept_unsigned=True)
    found = modes(safe)
    assert found["conf/private/server.key"][0] == found["conf/private"][0] == "0o755"
    assert found["db/users.sqlite3"][0] == "0o644"
    (note,) = (note for note in done.warnings if "users.sqlite3 was created" in note)
    assert "mode 0644" in note and "it had mode 2666" in note


def test_a_single_file_never_comes_back_as_a_set_user_id_program(safe: Path, back_up: BackUp) -> None:
    (safe / "conf/run.sh").chmod(0o6755)
    backup = back_up("safe")
    (safe / "conf/run.sh").unlink()
    done = restore(backup)
    assert modes(safe)["conf/run.sh"][0] == "0o755"
    assert any("conf/run.sh was created with mode 0755" in note and "6755" in note for note in done.warnings)


def test_a_damaged_database_and_its_log_that_were_saved_as_found_come_back_with_their_modes(
    safe: Path, back_up: BackUp, umask: int
) -> None:
    backup = back_up("safe")
    for name in ("db/users.sqlite3", "db/users.sqlite3-wal"):
        (safe / name).write_bytes(b"no database" * 100)
        (safe / name).chmod(0o620)
        os.chown(safe / name, NOBODY, 2)
    done = restore(backup)
    (safe / "db/users.sqlite3").unlink()
    undo(done)
    for name in ("db/users.sqlite3", "db/users.sqlite3-wal"):
        assert modes(safe)[name] == ("0o620", NOBODY, 2)


def test_nothing_of_the_site_is_open_to_others_whatever_the_umask(
    safe: Path, back_up: BackUp, home: Path, tmp_path: Path
) -> None:
    before = os.umask(0)
    try:
        backup = back_up("safe")
        shutil.rmtree(safe)
        undo(restore(backup))
        extract(backup, tmp_path / "out", by="tests")
    finally:
        os.umask(before)
    looked_at = [path for place in ("backups", "workspaces") for path in (home / place).rglob("*")]
    assert [path for path in looked_at if path.lstat().st_mode & 0o077] == []
    assert len(looked_at) > 4
    assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == 0o700
    assert [str(path) for path in [safe, *safe.rglob("*")] if path.lstat().st_mode & 0o022 and path.is_file()] == []


def test_single_files_that_are_extracted_are_as_they_were(safe: Path, back_up: BackUp, tmp_path: Path) -> None:
    (safe / "db/log.db").chmod(0o666)
    extract(back_up("safe"), tmp_path / "out", by="tests")
    found = modes(tmp_path / "out")
    assert found["key.key"] == ("0o400", NOBODY, 1)
    assert found["run.sh"] == ("0o750", NOBODY, 1)
    assert found["users.sqlite3"] == ("0o600", NOBODY, 1)
    assert found["log.db"] == ("0o644", NOBODY, 1)
    assert (found["manifest.json"][0], found["."][0]) == ("0o600", "0o700")


def test_the_preview_says_what_would_be_created_and_how(safe: Path, back_up: BackUp) -> None:
    backup = back_up("safe")
    (safe / "conf/private/server.key").unlink()
    (part,) = (part for part in preview(backup, "safe").components if part.name == "key")
    (note,) = part.notes
    assert "mode 0400, owner nobody:" in note


def test_the_content_is_open_to_nobody_while_it_is_written(tmp_path: Path) -> None:
    folder = tmp_path / "service"
    folder.mkdir(mode=0o777)
    setfacl = require("setfacl")
    if subprocess.run([setfacl, "-d", "-m", "u:nobody:rw,g::rw,o::rw", folder], check=False).returncode:
        missing("the file system of the tests has no ACLs")
    source = tmp_path / "source"
    source.write_bytes(b"secret" * 500_000)
    seen = []
    before = os.umask(0)
    try:
        replacing.replace_file(
            source,
            folder / "new",
            permissions=Permissions(0o644, os.geteuid(), os.getegid()),
            checkpoint=lambda _: seen.append(stat.S_IMODE((folder / ".new.restoring").stat().st_mode)),
        )
    finally:
        os.umask(before)
    assert set(seen) == {0o600}
    assert stat.S_IMODE((folder / "new").stat().st_mode) == 0o644


def test_a_private_tree_with_open_files_is_private_while_it_is_unpacked(tmp_path: Path) -> None:
    service = tmp_path / "service"
    (service / "tree").mkdir(parents=True, mode=0o700)
    service.chmod(0o755)
    (service / "tree").chmod(0o700)
    (service / "tree" / "open.txt").write_text("secret")
    pack_tree(service / "tree", tmp_path / "tree.tar", lambda _: None, lambda *_: None)
    shutil.rmtree(service / "tree")
    draft, seen = service / ".tree.restoring", []
    replace_tree(tmp_path / "tree.tar", service / "tree", lambda _: seen.append(stat.S_IMODE(draft.stat().st_mode)))
    assert set(seen) == {0o700}
    assert (service / "tree" / "open.txt").read_text() == "secret"


ROOT = Permissions(0o640, 0, 0, "root", "root")


def test_an_owner_is_known_by_name_then_by_a_number_that_nobody_else_bears(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        missing("only root can give files away")
    os.chown(tmp_path, 4321, 4322)
    holder = tmp_path.stat()

    def given(**changes: object) -> tuple[int, int, int]:
        wanted = ownership_for(replace(ROOT, **changes), holder)  # type: ignore[arg-type]
        return wanted.mode, wanted.uid, wanted.gid

    assert given(user="nobody", uid=12345) == (0o640, NOBODY, 0)
    assert given(user="nobody-here", uid=54321) == (0o640, 54321, 0)
    assert given(user=None, uid=NOBODY) == (0o640, NOBODY, 0)
    # the number of another user: the owner of the folder, never that user
    assert given(user="nobody-here", uid=NOBODY) == (0o640, 4321, 0)
    # the number of another group: its members get no more than everybody
    assert given(group="no-such-group", gid=1) == (0o600, 0, 4322)
    assert given(group="no-such-group", gid=1, mode=0o664) == (0o644, 0, 4322)
    assert given(group="no-such-group", gid=1, mode=0o604) == (0o600, 0, 4322)


AS_NOBODY = """
import os, stat, sys
from pathlib import Path
from backups.archive.manifest.permissions import Permissions
from backups.lib.atomic import replace_file
os.setgroups([1]); os.setgid({nobody}); os.setuid({nobody}); os.umask(0)
source, folder = Path(sys.argv[1]), Path(sys.argv[2])
for name, permissions in {{
    "of-root": Permissions(0o640, 0, 0, "root", "root"),
    "of-a-group-of-mine": Permissions(0o640, 0, 1, "root", "daemon"),
    "of-mine": Permissions(0o640, {nobody}, {nobody}, "nobody", "nogroup"),
    "unknown": None,
}}.items():
    notes = replace_file(source, folder / name, permissions=permissions)
    info = (folder / name).stat()
    print(name, oct(stat.S_IMODE(info.st_mode)), info.st_uid, info.st_gid, len(notes))
"""


def test_whoever_cannot_give_files_away_opens_them_to_no_other_group(tmp_path: Path) -> None:
    open_way(tmp_path)
    folder = tmp_path / "service"
    folder.mkdir()
    os.chown(folder, NOBODY, NOBODY)
    (tmp_path / "source").write_text("secret")
    (tmp_path / "source").chmod(0o644)
    assert run_as_nobody(AS_NOBODY, str(tmp_path / "source"), str(folder)).splitlines() == [
        f"of-root 0o600 {NOBODY} {NOBODY} 1",
        f"of-a-group-of-mine 0o640 {NOBODY} 1 1",
        f"of-mine 0o640 {NOBODY} {NOBODY} 0",
        f"unknown 0o600 {NOBODY} {NOBODY} 1",
    ]


def test_the_files_beside_a_database_that_was_created_are_no_more_open(safe: Path, back_up: BackUp) -> None:
    backup = back_up("safe")
    (safe / "db/log.db").unlink()
    restore(backup)
    before = os.umask(0)
    try:
        with closing(sqlite3.connect(safe / "db/log.db")) as connection:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("DELETE FROM orders")
            connection.commit()
            found = modes(safe / "db")
    finally:
        os.umask(before)
    assert found["log.db-wal"] == found["log.db-shm"] == found["log.db"] == ("0o640", NOBODY, 1)


def test_the_manifest_keeps_modes_and_names(safe: Path, back_up: BackUp, home: Path, tmp_path: Path) -> None:
    backup = back_up("safe")
    archive = Archive(home / "backups" / "nas" / backup.backup_path, tmp_path / "copy.tar.gz")
    kept = archive.entry("run.sh")["permissions"]
    folders = kept.pop("folders")
    assert kept == {"mode": "0750", "uid": NOBODY, "gid": 1, "user": "nobody", "group": "daemon"}
    assert [folder["mode"] for folder in folders[:2]] == ["2750", "0755"]
    assert json.dumps(archive.manifest).count("permissions") == 5


def test_a_file_system_that_refuses_a_change_of_mode_where_none_is_needed_is_no_obstacle(tmp_path: Path) -> None:
    """As CIFS does: every file has the mode that the mount says."""
    source = tmp_path / "source"
    source.write_bytes(b"new")
    target = tmp_path / "target"
    target.write_bytes(b"old")
    target.chmod(0o600)
    strace = require("strace")
    program = (
        "import sys; from pathlib import Path; from backups.lib.atomic import replace_file; "
        "replace_file(Path(sys.argv[1]), Path(sys.argv[2]))"
    )
    run = subprocess.run(
        [strace, "-f", "-e", "inject=fchmod:error=EPERM", "-o", tmp_path / "trace", sys.executable, "-c", program,
         source, target],
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert target.read_bytes() == b"new"


def test_an_owner_that_a_container_does_not_know_is_no_reason_to_fail(tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(b"new")
    strace = require("strace")
    program = (
        "import sys; from pathlib import Path; from backups.archive.manifest.permissions import Permissions;"
        "from backups.lib.atomic import replace_file;"
        "print(replace_file(*map(Path, sys.argv[1:]), permissions=Permissions(0o640, 4321, 4321)))"
    )
    run = subprocess.run(
        [strace, "-f", "-e", "inject=fchown:error=EINVAL", "-o", tmp_path / "trace", sys.executable, "-c", program,
         tmp_path / "source", tmp_path / "target"],
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert stat.S_IMODE((tmp_path / "target").stat().st_mode) == 0o600
    assert "it had mode 0640, owner 4321:4321" in run.stdout
