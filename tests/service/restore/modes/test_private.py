"""Nothing is open to others at any moment of a restore."""

import os
import shutil
import sqlite3
import stat
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from backups.archive.manifest.permissions import Permissions
from backups.components.files.pack import pack_tree
from backups.components.files.replacing.replace import replace_tree
from backups.lib.filesystem import atomic as replacing
from backups.service.archives.extract import extract
from tests.support.processes.unprivileged_user import NOBODY
from tests.support.programs import missing, require
from tests.support.restores.instance_restores import restore, undo
from tests.support.restores.modes import modes
from tests.support.site_fixtures import BackUp

pytestmark = pytest.mark.django_db


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
