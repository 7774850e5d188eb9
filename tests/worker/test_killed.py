"""SIGKILL during a real backup, to each level of processes: no process survives, and no file is left."""

import json
import os
import signal
import time
from collections.abc import Callable

import pytest

from tests.support.processes.process_table import children_of, has_pending, open_files
from tests.support.sites.changed_runs import STOPS_DURING_UPLOAD, run_in_children
from tests.support.sites.worker_process import Worker
from tests.support.sites.worker_site import Site, eventually

# what `checkoverdue` finds critical when as many seconds have passed, a line each
LOOKS = """
import json
from contextlib import redirect_stdout, suppress
from datetime import timedelta
from io import StringIO
from pathlib import Path
from django.core.management import call_command
from django.utils import timezone
now = timezone.now
for seconds in {seconds!r}:
    timezone.now = lambda: now() + timedelta(seconds=seconds)
    out = StringIO()
    with redirect_stdout(out), suppress(SystemExit):
        call_command("checkoverdue", json=True, memory=Path({memory!r}), stdout=out)
    print(json.dumps([[found["key"], found["text"]] for found in json.loads(out.getvalue())["problems"]]))
"""


@pytest.fixture
def frozen(site: Site) -> tuple[Worker, str, int]:
    """Return a worker, the backup that it runs, and the process of that, stopped while it uploads."""
    site.fill_big(1)
    worker = site.worker(script=run_in_children(STOPS_DURING_UPLOAD))
    run_id = site.queue(["big"])[0]
    return worker, run_id, site.stopped(run_id)


def task_process(worker: Worker, run: int) -> int:
    """Return the process of django-q2 that watches over the process `run`, the only one: it holds a slot."""
    assert worker.runs() == [run]
    tasks = children_of(worker.sentinel)
    return next(pid for pid in tasks if any("/places/backup-" in name for name in open_files(pid)))


def reported(site: Site, *seconds: int) -> list[list[str]]:
    """Return what `checkoverdue` says of the worker when each number of `seconds` has passed."""
    lines = site.python(LOOKS.format(seconds=seconds, memory=str(site.home / "memory.json"))).splitlines()
    return [[text for key, text in json.loads(line) if key == "worker-silent/backups"] for line in lines]


def kill_the_run(worker: Worker, run: int) -> None:
    os.kill(run, signal.SIGKILL)


def kill_its_task(worker: Worker, run: int) -> None:
    os.kill(task_process(worker, run), signal.SIGKILL)


def kill_the_sentinel(worker: Worker, run: int) -> None:
    os.kill(worker.sentinel, signal.SIGKILL)


def kill_the_worker(worker: Worker, run: int) -> None:
    os.kill(worker.pid, signal.SIGKILL)


def stop_the_group(worker: Worker, run: int) -> None:
    worker.tell_group(signal.SIGTERM)


def is_clean(site: Site, run_id: str) -> None:
    run = site.run(run_id)
    assert run["status"] == "interrupted"
    assert run["error_message"]
    # what its upload left is removed by a tick
    site.manage("tick")
    eventually(lambda: site.archives() == [], within=10)
    assert site.workspaces() == []


@pytest.mark.parametrize(
    ("kill_target", "code"),
    [
        (kill_the_run, None),
        (kill_its_task, None),
        (kill_the_sentinel, 1),
        (kill_the_worker, -signal.SIGKILL),
        (stop_the_group, 0),
    ],
)
def test_afterwards_nothing_runs_and_nothing_is_left(
    site: Site, frozen: tuple[Worker, str, int], kill_target: Callable[[Worker, int], None], code: int | None
) -> None:
    worker, run_id, process = frozen

    kill_target(worker, process)
    if kill_target is not kill_the_run:
        # first: it might have ended by itself before that
        eventually(lambda: has_pending(process, signal.SIGTERM))
        os.kill(process, signal.SIGCONT)
    if code is not None:
        assert worker.ended() == code

    eventually(lambda: site.status(run_id) == "interrupted" and site.has_settled())
    is_clean(site, run_id)
    if code is not None:
        eventually(lambda: site.processes() == [], within=5)
    if kill_target is kill_the_sentinel:
        assert "worker.died" in worker.log.read_text()


def test_a_killed_run_says_by_what_and_the_worker_goes_on(site: Site, frozen: tuple[Worker, str, int]) -> None:
    _, run_id, process = frozen
    again = site.queue(["big"])[0]
    # the other one has a name of its own then: names are of a second
    time.sleep(1)

    os.kill(process, signal.SIGKILL)

    eventually(lambda: site.status(again) == "completed")
    assert site.run(run_id)["error_message"] == "Its process was killed by SIGKILL in stage uploading."
    assert site.run(run_id)["error_hint"]
    logs = "SELECT first FROM backup_execution_logs WHERE run_id = ? AND first LIKE ?"
    # by the process that saw it end, and by that of the next run itself
    for pk, event in ((run_id, "interrupted"), (again, "claimed"), (again, "completed")):
        eventually(lambda pk=pk, event=event: site.rows(logs, pk, f"%backup.{event}%"))
    site.leaves_nothing()


def test_after_everything_was_killed_at_once_the_next_worker_cleans_up_and_runs_what_waits(
    site: Site, frozen: tuple[Worker, str, int]
) -> None:
    _, run_id, _ = frozen
    again = site.queue(["big"])[0]

    site.kill_everything()
    eventually(lambda: site.processes() == [])
    assert site.status(run_id) == "running"
    # whose last heartbeat was at most ten seconds before
    soon, after_a_minute = reported(site, 40, 61)
    assert (soon, len(after_a_minute)) == ([], 1)
    worker = site.worker(script="import backups.worker.supervisor as s; s.BEAT_SECONDS = 0.3")

    eventually(lambda: site.status(again) == "completed")
    assert site.status(run_id) == "interrupted"
    assert "died in stage uploading" in site.run(run_id)["error_message"]
    site.leaves_nothing()
    is_reported_when_its_scheduler_is_frozen(site, worker)


def is_reported_when_its_scheduler_is_frozen(site: Site, worker: Worker) -> None:
    """Stop the process that calls the tick in its tracks, while the worker goes on writing its heartbeat."""
    os.kill(worker.sentinel, signal.SIGSTOP)
    # as if that was some minutes ago: what lives writes a heartbeat again, and what is frozen does not
    for column in ("beat_at", "started_at"):
        site.execute(f"UPDATE backup_heartbeats SET {column} = datetime({column}, '-310 seconds')")
    fresh = "SELECT 1 FROM backup_heartbeats WHERE kind = 'worker' AND beat_at > datetime('now', '-20 seconds')"
    eventually(lambda: site.rows(fresh))
    ((message,),) = reported(site, 0)
    assert "scheduler" in message


def test_a_run_that_ends_between_its_upload_and_its_record_is_not_lost(site: Site) -> None:
    """The archive is whole and has its name; only the row does not say so yet."""
    site.fill_big(1)
    run_id = site.queue(["big"])[0]
    die = "import os, backups.service.backup.upload as p; p.record = lambda *_: os.kill(os.getpid(), 9)"
    site.worker(BACKUPSITE_TEST="1", script=run_in_children(die))

    eventually(lambda: site.status(run_id) == "interrupted")
    site.manage("tick")
    eventually(lambda: site.status(run_id) == "completed")

    assert len(site.archives()) == 1
    site.leaves_nothing()
