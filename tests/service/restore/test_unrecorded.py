"""The site's own database cannot be written in the middle of a restore: the data is put right, its end is not lost."""

import json
import os
import resource
import signal
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from backups.models import RestoreExecution
from backups.runs import workspace
from backups.runs.finish import Ending
from backups.runs.recovery import unrecorded
from backups.service.restore.ending.rollback import ALL_VERIFIED
from tests.support.databases.sqlite_files import rows_of
from tests.support.file_systems import small_disk
from tests.support.processes.held_runs import HOOKS, PATIENCE_SECONDS, Lock, applying, backup_id, rows
from tests.support.processes.unprivileged_user import NOBODY
from tests.support.programs import missing
from tests.support.restores.instance_restores import change, drafts, spoil_tacacs, tacacs_state
from tests.support.sites.command_site import Ended, Site, copied
from tests.support.sites.worker_site import eventually

IMPATIENT = """
import sys
from backupsite import queue
queue.SQLITE_OPTIONS["timeout"] = 0.3
from django.core.management import execute_from_command_line
execute_from_command_line(sys.argv)
"""
NOT_AS_BEFORE = 3
Status = RestoreExecution.Status


@pytest.fixture
def site(site_template: Site, tmp_path: Path) -> Site:
    site = copied(site_template, tmp_path)
    site.declare(HOOKS)
    return site


class Held:
    """A restore that waits for the metrics of the service while it applies; other components are done by then."""

    def __init__(self, site: Site) -> None:
        self.site = site
        spoil_tacacs(site.instance)
        self.bad = tacacs_state(site.instance)
        self.process = site.start("-c", IMPATIENT, "restore", backup_id(site), "--confirm", BACKUP_LOCK_TIMEOUT="60")
        eventually((site.instance / "hooks.log").exists)
        self._lock = Lock(site, "IMMEDIATE")

    def applying(self) -> None:
        (self.site.instance / "go").touch()
        eventually(lambda: applying(self.site, "metrics"))

    def release(self) -> Ended:
        self._lock.close()
        (self.site.instance / "go").touch()
        out, err = self.process.communicate(timeout=PATIENCE_SECONDS)
        return Ended(self.process.returncode, out, err)

    def kill(self) -> None:
        self._lock.close()
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def held(site: Site) -> Iterator[Held]:
    held = Held(site)
    yield held
    held.kill()


def kept(site: Site) -> tuple[Path, dict[str, object]]:
    """Return the one file that keeps an end, and what it says."""
    (path,) = (site.home / "workspaces").glob("*.end")
    return path, json.loads(path.read_text())


def row(site: Site) -> tuple[object, ...]:
    return rows(site, "status, error_message, outcome", "restore_executions")[0]


def states(site: Site) -> set[str]:
    return {note["state"] for note in json.loads(str(row(site)[2])).values()}


def locked(site: Site) -> sqlite3.Connection:
    """Return the connection that locks the site's own database against every writer."""
    connection = sqlite3.connect(site.home / "backupsite.sqlite3", isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    return connection


def test_a_rollback_needs_no_database_of_the_site_and_its_end_is_recorded_later(site: Site, held: Held) -> None:
    held.applying()
    with closing(locked(site)):
        ended = held.release()

        assert tacacs_state(site.instance) == held.bad
        assert drafts(site.instance) == []
        assert (site.instance / "hooks.log").read_text() == "stopped\nstarted\n"
        assert (ended.code, ended.out) == (NOT_AS_BEFORE, "")
        assert "What it had changed was rolled back. The database of this site could not take that" in ended.err
        path, end = kept(site)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert str(path) in ended.err
        assert end["status"] == "failed"
        assert row(site)[0] == "running"
        checked = site.run("check")
        assert "backups.W082" in checked.err + checked.out
        assert [entry.name for entry in (site.home / "workspaces").iterdir()] == [path.name]

    # the service was started and writes: none of that may be taken back by who records the end
    change(site.instance / "data" / "metrics_history.db", "UPDATE metrics_snapshots SET auth_requests = 77")
    assert site.run("tick").code == 0
    status, message, _ = row(site)
    assert (status, message) == ("failed", end["error_message"])
    assert states(site) == {"rolled back"}
    assert not path.exists()
    metrics = site.instance / "data" / "metrics_history.db"
    assert rows_of(metrics, "SELECT DISTINCT auth_requests FROM metrics_snapshots") == [(77,)]
    assert "W082" not in site.run("check").err


def test_a_signal_when_the_database_is_locked_rolls_back_too(site: Site, held: Held) -> None:
    held.applying()
    with closing(locked(site)):
        held.process.send_signal(signal.SIGHUP)
        ended = held.release()
        assert tacacs_state(site.instance) == held.bad
        assert ended.code == NOT_AS_BEFORE
        assert kept(site)[1]["status"] == "interrupted"
    assert site.run("backup", "tacacs-hq").code == 0, "the next command records it, and the instance is free"
    assert row(site)[0] == "interrupted"


def test_a_restore_that_is_proven_stays_and_is_completed_later(site: Site) -> None:
    good = tacacs_state(site.instance)
    spoil_tacacs(site.instance)
    before_hook, after_hook = HOOKS.rstrip().rsplit("\n", 1)
    site.declare(f"{before_hook}\n{after_hook.replace('! -e go', '! -e go-on')}\n")
    command = site.start("-c", IMPATIENT, "restore", backup_id(site), "--confirm")
    log = site.instance / "hooks.log"
    eventually(log.exists)
    (site.instance / "go").touch()
    eventually(lambda: "started" in log.read_text())
    with closing(locked(site)):
        (site.instance / "go-on").touch()
        _, err = command.communicate(timeout=PATIENCE_SECONDS)
        assert command.returncode == NOT_AS_BEFORE
        assert f"is completed: {ALL_VERIFIED}" in err
        assert kept(site)[1]["status"] == "completed"
    assert site.run("tick").code == 0
    assert row(site)[:2] == ("completed", "")
    assert tacacs_state(site.instance) == good
    assert log.read_text() == "stopped\nstarted\n", "the service is not started twice"
    assert rows_of(site.home / "backupsite.sqlite3", "SELECT instance FROM backup_instance_states") == [("tacacs-hq",)]


def test_a_disk_that_is_full_when_the_first_component_was_applied(site_template: Site, tmp_path: Path) -> None:
    """Database, workspaces and log of the site lie on it; the end still has its place."""
    with small_disk(tmp_path / "home", megabytes=40) as disk:
        site = copied(site_template, tmp_path)
        site.declare(HOOKS)
        held = Held(site)
        try:
            held.applying()
            with (disk / "filler").open("wb", buffering=0) as filler, pytest.raises(OSError, match="No space left"):
                while True:
                    filler.write(b"\1" * 65536)
            ended = held.release()
        finally:
            held.kill()
        assert ended.code in (1, NOT_AS_BEFORE)
        assert tacacs_state(site.instance) == held.bad
        assert (site.instance / "hooks.log").read_text() == "stopped\nstarted\n"
        (disk / "filler").unlink()
        assert site.run("tick").code == 0
        status, message, _ = row(site)
        assert status == "failed"
        assert not list((site.home / "workspaces").glob("*.end"))
        # there was no room to prove that everything is back: what is not known is said, listed, and can be undone
        assert states(site) <= {"rolled back", "applying"}
        if "applying" in states(site):
            assert "unknown (as in the archive or as before)" in str(message)
            assert "backups.W081" in site.run("check", "--database", "default").err
            restore_id = str(rows(site, "id", "restore_executions")[0][0])
            assert site.run("restore", "--undo", restore_id, "--confirm").code == 0
            assert tacacs_state(site.instance) == held.bad
        assert "W081" not in site.run("check", "--database", "default").err


def test_what_can_neither_be_rolled_back_nor_recorded_is_listed_and_rolled_back_by_the_tick(
    site: Site, held: Held
) -> None:
    """A process that can write no file any more, as on a disk that fails."""
    held.applying()
    resource.prlimit(held.process.pid, resource.RLIMIT_FSIZE, (0, 0))
    ended = held.release()
    assert ended.code == NOT_AS_BEFORE
    (restore_id,) = rows(site, "id", "restore_executions")[0]
    assert "State now: config, devices, users, accounting: as in the archive; metrics: unknown" in ended.err
    assert f"manage.py restore --undo {restore_id} --confirm" in ended.err
    assert "this message is all that is kept of it" in ended.err.lower()
    assert row(site)[0] == "running"
    assert "backups.W081" in site.run("check", "--database", "default").err

    assert site.run("tick").code == 0
    assert row(site)[0] == "interrupted"
    assert tacacs_state(site.instance) == held.bad
    assert list((site.home / "workspaces").glob(f"{restore_id}*")) == []
    assert "W081" not in site.run("check", "--database", "default").err


def test_a_process_that_is_killed_before_it_could_keep_its_end_is_rolled_back_by_the_tick(
    site: Site, held: Held
) -> None:
    held.applying()
    checked = site.run("check", "--database", "default")
    assert "W081" not in checked.err
    held.process.kill()
    held.process.wait()
    checked = site.run("check", "--database", "default")
    assert "backups.W081" in checked.err
    held.kill()
    assert site.run("tick").code == 0
    assert tacacs_state(site.instance) == held.bad
    assert "W081" not in site.run("check", "--database", "default").err
    assert not list((site.home / "workspaces").glob("*.end"))


def test_a_restore_whose_workspaces_belong_to_another_user_is_looked_at_without_an_error(home: Path) -> None:
    if os.geteuid() != 0:
        missing("only root can become another user")
    workspace.root()
    restore = RestoreExecution(instance="store")
    unrecorded.save(restore, Ending(Status.INTERRUPTED, "its process died"))
    assert unrecorded.exists(restore.pk)
    os.seteuid(NOBODY)
    try:
        assert not unrecorded.exists(restore.pk)
    finally:
        os.seteuid(0)
