"""Archives without modes, or of unknown origin: what a restore creates is private."""

import json
import shutil
from pathlib import Path

import pytest

from backups.service.restore.preview.build import preview
from tests.support.archives.crafted import SERVER_PLAIN
from tests.support.archives.rewritten import Archive
from tests.support.processes.unprivileged_user import NOBODY
from tests.support.restores.instance_restores import restore
from tests.support.restores.modes import modes
from tests.support.site_fixtures import TACACS, BackUp, Declare

pytestmark = pytest.mark.django_db


def without_permissions(backup_file: Path, target: Path) -> Path:
    """Return the archive as a program that keeps no permissions would have written it."""
    archive = Archive(backup_file, target)
    for entry in archive.manifest["contents"]:
        assert entry.pop("permissions", None) or entry["file"] == "config_export.json"
    return archive.write()


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
