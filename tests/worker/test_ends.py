"""A worker that is terminated, whose processes die, or that hangs."""

import os
import signal
import time
from pathlib import Path

import pytest

from tests.support.processes.process_table import children_of
from tests.support.sites.worker_site import Site, eventually

QUICK_WATCHDOG = """
import backups.worker.supervisor as s, backups.worker.watchdog as w
s.BEAT_SECONDS = 0.3
w.WAITING_SECONDS = 1
"""


@pytest.mark.parametrize(
    "tell",
    ["SIGTERM", "SIGTERM to the group", "SIGINT to the group", "SIGHUP", "SIGHUP to the group", "SIGQUIT to the group"],
)
def test_an_idle_worker_ends_at_once_in_good_order(site: Site, tell: str) -> None:
    worker = site.worker(BACKUP_STOP_GRACE="60")
    eventually(lambda: site.rows("SELECT 1 FROM backup_heartbeats WHERE kind = 'scheduler'"))
    number = signal.Signals[tell.split()[0]]

    began = time.monotonic()
    worker.tell_group(number) if "group" in tell else worker.tell(number)

    assert worker.ended() == 0
    assert time.monotonic() - began < 30
    assert site.processes() == []
    assert site.rows("SELECT count(*) FROM backup_heartbeats WHERE kind = 'worker' AND stopped_at IS NOT NULL") == [
        (1,)
    ]
    assert "Traceback" not in worker.log.read_text()


def test_a_worker_lets_a_run_finish_that_needs_no_longer_than_the_grace(site: Site) -> None:
    lock = site.lock_shop()
    run_id = site.queue(["shop-0"])[0]
    worker = site.worker(BACKUP_STOP_GRACE="15")
    site.exporting(run_id)

    worker.tell(signal.SIGTERM)
    time.sleep(0.5)
    assert worker.process.poll() is None
    lock.close()

    assert worker.ended() == 0
    assert site.status(run_id) == "completed"


def test_after_the_grace_a_run_is_ended_and_says_so_and_what_waits_goes_on_waiting(site: Site) -> None:
    lock = site.lock_shop()
    names = site.declare(4)
    worker = site.worker(BACKUP_STOP_GRACE="0.5", BACKUP_WORKERS="1")
    queued = site.queue(names[:1])
    site.exporting(queued[0])
    queued += site.queue(names[1:])

    worker.tell(signal.SIGTERM)

    assert worker.ended() == 0
    assert [site.status(run_id) for run_id in queued] == ["interrupted", "queued", "queued", "queued"]
    assert site.run(queued[0])["error_message"] == "The process was told to end."
    assert site.processes() == []
    site.leaves_nothing()
    lock.close()


def test_a_second_signal_ends_the_grace(site: Site) -> None:
    lock = site.lock_shop()
    run_id = site.queue(["shop-0"])[0]
    worker = site.worker(BACKUP_STOP_GRACE="600")
    site.exporting(run_id)

    for _ in range(2):
        worker.tell(signal.SIGTERM)
        time.sleep(0.3)

    assert worker.ended() == 0
    assert site.status(run_id) == "interrupted"
    lock.close()


def test_a_worker_whose_processes_hang_ends_with_75_and_the_next_one_does_the_work(site: Site) -> None:
    worker = site.worker(script=QUICK_WATCHDOG)
    for pid in children_of(worker.sentinel):  # whichever holds the lock of their queue takes it along
        os.kill(pid, signal.SIGKILL)
    run_id = site.queue(["shop-0"])[0]

    assert worker.ended() == 75
    assert "worker.hangs" in worker.log.read_text()
    assert site.processes() == []
    assert site.status(run_id) == "queued"

    site.worker()
    eventually(lambda: site.status(run_id) == "completed")


def test_a_worker_that_gets_no_message_at_all_not_even_a_tick_ends_with_75(site: Site) -> None:
    worker = site.worker(script=QUICK_WATCHDOG + "w.IDLE_SECONDS = 2")

    assert worker.ended() == 75
    assert 'reason="no message, not even a tick, for' in worker.log.read_text()


def test_a_worker_serves_its_own_queue_and_no_other(site: Site) -> None:
    names = site.declare(2, queue="branch")
    branch = site.queue(names)
    home = site.queue(["big"])[0]
    site.fill_big(1)
    # as from a process that could not read the instances file, or had another one
    astray = f"send_message('branch', 'backups.worker.tasks.backup', {home!r})"
    site.python(f"from backups.worker.q2.enqueue import send_message\n{astray}")

    worker = site.worker("--queue", "branch")

    eventually(lambda: [site.status(run_id) for run_id in branch] == ["completed"] * 2)
    eventually(lambda: site.rows("SELECT 1 FROM backup_heartbeats WHERE name = 'scheduler of branch'"))
    eventually(lambda: not site.rows("SELECT 1 FROM django_q_ormq WHERE key = 'branch'"))
    assert site.status(home) == "queued"
    assert site.rows("SELECT DISTINCT queue FROM backup_heartbeats") == [("branch",)]
    worker.tell(signal.SIGTERM)
    worker.ended()

    site.worker()
    eventually(lambda: site.status(home) == "completed")


def test_while_the_instances_file_cannot_be_read_runs_stay_queued_and_the_worker_says_so_once(site: Site) -> None:
    run_id = site.queue(["shop-0"])[0]
    file = site.home / "instances.toml"
    described = file.read_text()
    file.write_text(described + "[shop-0")
    worker = site.worker(script=QUICK_WATCHDOG)

    eventually(lambda: not site.rows("SELECT 1 FROM django_q_ormq"))
    for _ in range(4):
        last = beat(site)
        eventually(lambda last=last: beat(site) > last)  # type: ignore[misc]
    assert site.status(run_id) == "queued"
    assert worker.log.read_text().count("worker.waits-for-instances") == 1
    assert "is not valid TOML" in worker.log.read_text()

    file.write_text(described)
    eventually(lambda: site.status(run_id) == "completed")
    assert worker.log.read_text().count("worker.instances-known-again") == 1


def beat(site: Site) -> str:
    return str(site.rows("SELECT beat_at FROM backup_heartbeats WHERE kind = 'worker'")[0][0])


def test_a_worker_refuses_dangerous_settings_and_names_that_are_none(site: Site, tmp_path: Path) -> None:
    assert "backups.E018" in site_with(site, BACKUP_WORKERS="0").manage("worker", code=1)
    assert "'two words' is not the name of a queue" in site.manage("worker", "--queue", "two words", code=1)


def site_with(site: Site, **variables: str) -> Site:
    return Site(site.home, variables)


def test_a_worker_without_tables_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()

    assert "manage.py migrate" in Site(tmp_path / "home", {}).manage("worker", code=1)
