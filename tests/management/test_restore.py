"""`restore`, `listrestores` and `showrestore`, each in a process of its own, with no worker anywhere."""

import json
import shutil
import signal
import sqlite3
import tarfile
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.support.archives.crafted import SERVER_ENCRYPTED, SERVER_PASSPHRASE, SERVER_PLAIN
from tests.support.databases.sqlite_files import rows_of
from tests.support.restores.component_restores import change, state_of
from tests.support.sites.command_site import Ended, Site, copied


@pytest.fixture
def site(site_template: Site, tmp_path: Path) -> Site:
    return copied(site_template, tmp_path)


def rows_in(site: Site, table: str, columns: str) -> list[tuple[Any, ...]]:
    return rows_of(site.home / "backupsite.sqlite3", f"SELECT {columns} FROM {table} ORDER BY created_at")


def backup_id(site: Site) -> str:
    return str(rows_in(site, "backup_executions", "id")[0][0])


def damage(site: Site) -> None:
    change(site.instance / "data" / "devices.db", "DELETE FROM devices WHERE id > 100")
    change(site.instance / "data" / "local_auth.db", "UPDATE local_users SET enabled = 0")
    (site.instance / "data" / "audit_trail.db").unlink()
    file = site.instance / "config" / "tacacs.conf"
    file.write_text(file.read_text().replace("change_me", "hunter2hunter2").replace("port = 49\n", "port = 50\n"))


def refused(ended: Ended) -> str:
    assert (ended.code, ended.out, ended.err.count("\n")) == (1, "", 1)
    return ended.err.removeprefix("Error: ").rstrip()


def test_without_confirmation_it_prints_what_would_change_and_changes_nothing(site: Site) -> None:
    damage(site)
    before = state_of(site.instance)

    shown = site.run("restore", backup_id(site))

    assert shown.code == 1
    assert shown.err.startswith("Error: nothing was restored")
    assert shown.err.endswith(".\n") and "--confirm" in shown.err
    assert state_of(site.instance) == before
    assert rows_in(site, "restore_executions", "id") == []
    text = " ".join(shown.out.split())
    assert f"archive {site.backup.name} manual backup of tacacs-hq, " in text
    assert "devices devices 100 300 +200 2026-11-23 01:44:40 2026-11-23 01:44:40" in text
    assert "config [server] port: 50 -> 49" in text
    assert "radius_secret: •••••• (" in text
    assert "hunter2" not in text
    assert f"audit {site.instance}/data/audit_trail.db does not exist now and will be created" in text
    assert "devices 200 devices rows that are not there now will be back" in text
    assert text.endswith("loss The present values of 2 configuration keys will be gone.")


def test_confirmed_it_restores_and_says_how_to_undo_it_and_what_to_do_next(site: Site) -> None:
    good = state_of(site.instance)
    damage(site)
    bad = state_of(site.instance)

    done = site.run("restore", backup_id(site)[:8], "--confirm")

    assert (done.code, done.err) == (0, "")
    assert state_of(site.instance) == good
    ((restore_id, safety_id, status),) = rows_in(site, "restore_executions", "id, safety_backup_id, status")
    assert status == "completed"
    lines = done.out.splitlines()
    assert lines[0].startswith(f"completed    tacacs-hq from {site.backup.name} in ")
    assert f"restored     devices: 321 rows, 119 kB, {site.instance}/data/devices.db" in lines
    assert lines[-4:] == [
        f"safety       backup {safety_id} has the state before, until this is acknowledged",
        f"undo         manage.py restore --undo {restore_id} --confirm",
        f"restart      restart tacacs-hq, then: manage.py restore --acknowledge {restore_id}",
        f"id           {restore_id}",
    ]
    marker = json.loads((site.instance / "data" / "restart-required.json").read_text())
    assert (marker["instance"], marker["restore"]) == ("tacacs-hq", restore_id)

    undone = site.run("restore", "--undo", restore_id, "--confirm", "--json")
    assert undone.code == 0
    assert state_of(site.instance) == bad
    assert (undone.data["status"], undone.data["undo_of"]) == ("completed", restore_id)
    assert undone.data["restart_required"] is True

    acknowledged = site.run("restore", "--acknowledge", undone.data["id"], "--json")
    assert (acknowledged.code, acknowledged.data["restart_required"]) == (0, False)
    assert not (site.instance / "data" / "restart-required.json").exists()


def test_where_only_an_archive_survived_it_rebuilds_the_instance_on_a_new_site(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.instance.mkdir()
    site.declare()
    archive = shutil.copy(SERVER_ENCRYPTED, tmp_path)

    key = {"BACKUP_ENCRYPTION_OLD_PASSPHRASES": SERVER_PASSPHRASE}
    done = site.run("restore", "--file", archive, "--instance", "tacacs-hq", "--accept-unsigned", "--confirm", **key)

    assert (done.code, done.err) == (0, "")
    assert Path(archive).exists()
    with tarfile.open(SERVER_PLAIN) as plain:
        file = plain.extractfile("./tacacs.conf")
        assert file is not None
        assert (site.instance / "config" / "tacacs.conf").read_bytes() == file.read()
    assert rows_of(site.instance / "data" / "devices.db", "SELECT count(*) FROM devices") == [(300,)]
    assert sorted(path.name for path in (site.instance / "data").glob("*.db")) == [
        "audit_trail.db", "config_overrides.db", "devices.db", "local_auth.db", "metrics_history.db",
        "tacacs_accounting.db",
    ]  # fmt: skip
    assert rows_in(site, "backup_executions", "kind, status") == [("safety", "completed")]
    assert len(list((site.home / "backups" / "safety").rglob("*-safety.tar.gz"))) == 1

    ((restore_id,),) = rows_in(site, "restore_executions", "id")
    assert site.run("restore", "--undo", restore_id, "--confirm", **key).code == 0
    assert list((site.instance / "data").glob("*.db")) == []
    assert list((site.instance / "config").iterdir()) == []


def test_tables_that_are_missing_in_part_are_an_error_with_the_way_out(site: Site) -> None:
    (site.home / "backupsite.sqlite3").unlink()
    with closing(sqlite3.connect(site.home / "backupsite.sqlite3")) as database:
        database.execute("CREATE TABLE something (id)")
    text = refused(site.run("restore", "--file", str(SERVER_PLAIN), "--instance", "tacacs-hq", "--confirm"))
    assert text.endswith("Run 'manage.py migrate' first.")


def test_a_second_restore_is_refused_and_leaves_no_row_and_a_stopped_one_leaves_the_instance_as_it_was(
    site: Site,
) -> None:
    damage(site)
    before = state_of(site.instance)
    site.declare('[tacacs-hq.hooks]\nbefore_restore = ["sh", "-c", "touch $BACKUPSITE_RUN.began; sleep 60"]\n')
    first = site.start("manage.py", "restore", backup_id(site), "--confirm")
    try:
        until = time.monotonic() + 30
        while not list(site.instance.glob("*.began")):
            assert time.monotonic() < until
            assert first.poll() is None
            time.sleep(0.05)
        text = refused(site.run("restore", backup_id(site), "--confirm"))
        assert text.startswith("Another restore of tacacs-hq is running")
        assert [status for (status,) in rows_in(site, "restore_executions", "status")] == ["running"]
        first.send_signal(signal.SIGTERM)
        out, err = first.communicate(timeout=30)
    finally:
        first.kill()
    assert (first.returncode, out) == (128 + signal.SIGTERM, "")
    assert err.startswith("Error: the process was told to end")
    assert "nothing was changed" in err.lower()
    for marker in site.instance.glob("*.began"):
        marker.unlink()
    assert state_of(site.instance) == before
