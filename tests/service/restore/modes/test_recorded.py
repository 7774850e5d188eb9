"""What a restore creates has the mode and owner that was backed up, never more, whatever the umask."""

import json
import os
import shutil
from pathlib import Path

import pytest

from backups.lib.filesystem import atomic as replacing
from backups.service.archives.extract import extract
from backups.service.restore.preview.build import preview
from tests.support.archives.rewritten import Archive
from tests.support.processes.unprivileged_user import NOBODY
from tests.support.restores.instance_restores import restore, undo
from tests.support.restores.modes import MODES, modes
from tests.support.site_fixtures import BackUp

pytestmark = pytest.mark.django_db


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


def test_the_manifest_keeps_modes_and_names(safe: Path, back_up: BackUp, home: Path, tmp_path: Path) -> None:
    backup = back_up("safe")
    archive = Archive(home / "backups" / "nas" / backup.backup_path, tmp_path / "copy.tar.gz")
    kept = archive.entry("run.sh")["permissions"]
    folders = kept.pop("folders")
    assert kept == {"mode": "0750", "uid": NOBODY, "gid": 1, "user": "nobody", "group": "daemon"}
    assert [folder["mode"] for folder in folders[:2]] == ["2750", "0755"]
    assert json.dumps(archive.manifest).count("permissions") == 5
