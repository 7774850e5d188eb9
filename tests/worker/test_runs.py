"""The child process of a run: cancelled, timed out, unresponsive, failed at its start, or requested twice."""

import os
import signal
import time

import pytest

from tests.support.sites.worker_site import Site, eventually

SHORT_TIMEOUTS = """
import backups.worker.child_process as s
from backups.service.backup.kind import BACKUP
s.MARGIN_SECONDS = 1
BACKUP.ending_seconds = 0.5
"""


def test_a_run_that_is_cancelled_ends_within_seconds(site: Site) -> None:
    lock = site.lock_shop()
    run_id = site.queue(["shop-0"])[0]
    worker = site.worker()
    process = site.exporting(run_id)

    cancel(site, run_id)

    eventually(lambda: site.status(run_id) == "cancelled", within=5)
    assert site.run(run_id)["error_message"] == "Cancelled by alice."
    eventually(lambda: process not in worker.runs(), within=5)
    site.leaves_nothing()
    lock.close()


def cancel(site: Site, run_id: str) -> None:
    site.python(
        "from backups.runs.finish import cancel; from backups.models import BackupExecution\n"
        f"cancel(BackupExecution.objects.get(pk={run_id!r}), by='alice')\n"
    )


def test_a_run_that_takes_too_long_fails_and_says_after_how_long(site: Site) -> None:
    lock = site.lock_shop()
    run_id = site.queue(["shop-0"])[0]
    site.worker(BACKUP_TIMEOUT="2")

    eventually(lambda: site.status(run_id) == "failed")

    run = site.run(run_id)
    assert run["error_message"] == "It ran longer than 2 seconds."
    assert "BACKUP_TIMEOUT" in run["error_hint"]
    site.leaves_nothing()
    lock.close()


@pytest.mark.parametrize(("reason", "status"), [("cancel", "cancelled"), ("time", "interrupted")])
def test_a_run_that_does_not_respond_is_killed(site: Site, reason: str, status: str) -> None:
    lock = site.lock_shop()
    run_id = site.queue(["shop-0"])[0]
    site.worker(script=SHORT_TIMEOUTS, BACKUP_TIMEOUT="2" if reason == "time" else "600")
    os.kill(site.exporting(run_id), signal.SIGSTOP)

    if reason == "cancel":
        cancel(site, run_id)

    eventually(lambda: site.status(run_id) == status)
    said = site.run(run_id)["error_message"]
    assert said.startswith("Cancelled by alice" if reason == "cancel" else "It ran longer than 2 seconds")
    assert reason == "cancel" or "killed by SIGKILL" in said
    site.leaves_nothing()
    lock.close()


def test_a_run_that_cannot_even_begin_says_why_and_is_not_tried_for_ever(site: Site) -> None:
    run_id = site.queue(["shop-0"])[0]
    site.worker(
        script="import backups.worker.run_process as s\ns.sys = type('s', (), {'executable': '/bin/false', 'path': []})"
    )

    eventually(lambda: site.status(run_id) == "interrupted")

    assert site.run(run_id)["error_message"] == "Its process ended with exit code 1 before it began."


def test_two_messages_for_a_run_start_one_process(site: Site) -> None:
    run_id = site.queue(["shop-0"])[0]
    again = f"for _ in range(4): send_message('backups', 'backups.worker.tasks.backup', {run_id!r})"
    site.python(f"from backups.worker.q2.enqueue import send_message\n{again}")
    worker = site.worker()

    eventually(lambda: site.status(run_id) == "completed")
    eventually(lambda: not site.rows("SELECT 1 FROM django_q_ormq"))
    assert "not queued" not in worker.log.read_text()


def test_a_busy_instance_leaves_the_run_queued_until_it_is_free(site: Site) -> None:
    lock = site.lock_shop()
    first, second = site.queue(["shop-0", "shop-0"], kind="config_change")
    site.worker()
    site.exporting(first)
    time.sleep(1)

    assert site.status(second) == "queued"
    lock.close()

    eventually(lambda: site.status(second) == "completed")
    assert site.status(first) == "completed"
