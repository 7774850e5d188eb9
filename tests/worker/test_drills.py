"""Drills in a worker: in parallel to backups, supervised, and cleaned up after a kill."""

import os
import signal
import subprocess
import sys
import time

import pytest

from tests.support.paths import PROJECT
from tests.support.processes.prepared import Prepared
from tests.support.sites.changed_runs import run_in_children
from tests.support.sites.worker_site import SETUP, Site, eventually

MEGABYTES = 1
# the process of the drill stops in its tracks when it is to check what it unpacked
HANG = "import time, backups.service.drill.trial_restore as t; t._check = lambda *_, **__: time.sleep(600)"


def backed_up(site: Site, name: str = "big") -> str:
    site.fill_big(MEGABYTES)
    return str(site.manage("backup", name, "--json").partition('"id": "')[2].partition('"')[0])


def queue_drill(site: Site, backup: str) -> str:
    return site.python(
        "from backups.models import BackupExecution; from backups.service.drill.run import start_drill\n"
        "from backups.worker.tasks import enqueue\n"
        f"run = start_drill(BackupExecution.objects.get(pk={backup!r}), by='tests'); enqueue(run); print(run.pk)\n"
    ).strip()


def drill_row(site: Site, run_id: str) -> dict[str, object]:
    columns = ("status", "verdict", "stage", "worker", "error_message", "seconds", "bytes")
    row = site.rows(f"SELECT {', '.join(columns)} FROM drill_executions WHERE id = ?", run_id)[0]
    return dict(zip(columns, row, strict=True))


def status(site: Site, run_id: str) -> object:
    return drill_row(site, run_id)["status"]


def checking(site: Site, run_id: str) -> int:
    """Wait until the drill has unpacked everything, and return its process."""
    eventually(lambda: drill_row(site, run_id)["stage"] == "checking")
    return int(str(drill_row(site, run_id)["worker"]).rpartition(":")[2])


def is_gone(site: Site) -> bool:
    return site.workspaces() == [] and site.rows("SELECT count(*) FROM backup_archive_uses") == [(0,)]


@pytest.fixture
def hanging(site: Site) -> str:
    """Return a script for a worker whose drills never end by themselves."""
    return run_in_children(HANG)


def test_a_queued_drill_is_run_by_a_worker_while_a_backup_of_the_instance_waits_for_its_database(site: Site) -> None:
    backup = backed_up(site)
    lock = site.lock_shop()
    busy = site.queue(["shop-0"])[0]
    site.worker(BACKUP_WORKERS="1")
    site.exporting(busy)

    run_id = queue_drill(site, backup)

    eventually(lambda: status(site, run_id) == "completed")
    row = drill_row(site, run_id)
    assert (row["verdict"], row["stage"]) == ("passed", "done")
    assert isinstance(row["bytes"], int)
    assert row["bytes"] > MEGABYTES << 20
    assert float(str(row["seconds"])) > 0
    assert site.rows("SELECT verified_at IS NOT NULL FROM backup_executions WHERE id = ?", backup) == [(1,)]
    assert site.status(busy) == "running"
    eventually(lambda: [name for name in site.workspaces() if run_id in name] == [], within=5)
    lock.close()


def test_a_drill_that_is_killed_is_interrupted_and_leaves_no_workspace(site: Site, hanging: str) -> None:
    backup = backed_up(site)
    site.worker(script=hanging)
    run_id = queue_drill(site, backup)
    process = checking(site, run_id)
    assert any(run_id in name for name in site.workspaces())

    os.kill(process, signal.SIGKILL)

    eventually(lambda: status(site, run_id) == "interrupted")
    row = drill_row(site, run_id)
    assert row["error_message"] == "Its process was killed by SIGKILL in stage checking."
    assert row["verdict"] == ""
    eventually(lambda: is_gone(site), within=5)
    assert site.rows("SELECT drill FROM backup_executions WHERE id = ?", backup) == [(None,)]


def test_after_everything_was_killed_at_once_the_next_worker_cleans_up(site: Site, hanging: str) -> None:
    backup = backed_up(site)
    site.worker(script=hanging)
    run_id = queue_drill(site, backup)
    checking(site, run_id)

    site.kill_everything()
    eventually(lambda: site.processes() == [])
    assert status(site, run_id) == "running"
    again = queue_drill(site, backup)
    site.worker()

    eventually(lambda: status(site, again) == "completed")
    eventually(lambda: status(site, run_id) == "interrupted")
    assert "died in stage checking" in str(drill_row(site, run_id)["error_message"])
    eventually(lambda: is_gone(site), within=5)


def test_a_drill_that_is_cancelled_ends_and_keeps_no_verdict(site: Site) -> None:
    backup = backed_up(site)
    slow = (
        "import time, backups.service.drill.trial_restore as t\n"
        "t._check = lambda _, progress, **__: [(progress(0), time.sleep(0.05))"
        " for _ in range(6000)]"
    )
    site.worker(script=run_in_children(slow))
    run_id = queue_drill(site, backup)
    process = checking(site, run_id)
    waiting = queue_drill(site, backup)
    time.sleep(0.5)
    assert status(site, waiting) == "queued", "one drill at a time on a host"

    site.python(
        "from backups.runs.finish import cancel; from backups.models import DrillExecution\n"
        f"for pk in ({waiting!r}, {run_id!r}): cancel(DrillExecution.objects.get(pk=pk), by='alice')\n"
    )

    eventually(lambda: status(site, run_id) == "cancelled", within=10)
    assert status(site, waiting) == "cancelled"
    assert drill_row(site, run_id)["error_message"] == "Cancelled by alice."
    assert drill_row(site, run_id)["verdict"] == ""
    eventually(lambda: process not in site.processes() and is_gone(site), within=5)


def test_a_drill_whose_message_was_lost_is_dispatched_by_the_tick(site: Site) -> None:
    backup = backed_up(site)
    run_id = queue_drill(site, backup)
    site.execute("DELETE FROM django_q_ormq")
    site.execute("UPDATE drill_executions SET rang_at = ?", "2026-01-01 00:00:00")

    site.worker()

    eventually(lambda: status(site, run_id) == "completed")


@pytest.mark.parametrize("command", ["drill", "verifybackup"])
def test_a_command_that_is_told_to_end_leaves_an_ended_row_and_no_workspace(site: Site, command: str) -> None:
    backup = backed_up(site)
    slow = "import time, backups.service.drill.trial_restore as t\nt.fetch_nearest = lambda *_, **__: time.sleep(600)\n"
    run = f"from django.core.management import call_command; call_command({command!r}, {backup!r})"
    process = Prepared([sys.executable, "-c", SETUP + slow + run], env=site.env, cwd=PROJECT, stderr=subprocess.DEVNULL)
    eventually(lambda: site.rows("SELECT 1 FROM drill_executions WHERE stage = 'fetching'"))

    process.terminate()

    assert process.wait(timeout=30) != 0
    assert site.rows("SELECT status, verdict, error_message FROM drill_executions") == [
        ("interrupted", "", "The process was told to end.")
    ]
    assert is_gone(site)
