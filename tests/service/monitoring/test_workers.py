"""What pages, checks and commands say of workers and schedulers."""

import os
import socket
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.checks import run_checks
from django.utils import timezone

from backups.models import BackupExecution, Heartbeat
from backups.runs.recovery import heartbeats
from backups.service.monitoring.workers import Problem, worker_state
from tests.support.rows import an_execution

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("home")]
SHOP = """\
[shop]
kind = "generic"
root = "/srv/shop"
components.orders = {kind = "sqlite", path = "orders.db"}
"""
RADIUS = """\
[radius]
kind = "generic"
root = "/srv/radius"
queue = "branch"
components.users = {kind = "sqlite", path = "users.db"}
"""


@pytest.fixture(autouse=True)
def instances(declare: Callable[[str], None]) -> None:
    declare(SHOP)


def a_worker(queue: str = "backups", *, silent: float = 1, up: float = 3600, **fields: object) -> Heartbeat:
    """Write the row of a worker that started `up` seconds ago and said something `silent` seconds ago."""
    now = timezone.now()
    values: dict[str, object] = {
        "name": f"worker hq:{Heartbeat.objects.count()}", "kind": "worker", "queue": queue, "host": "hq", "pid": 1,
        "started_at": now - timedelta(seconds=up), "beat_at": now - timedelta(seconds=silent),
    }  # fmt: skip
    return Heartbeat.objects.create(**values | fields)


def a_scheduler(queue: str = "backups", *, silent: float = 1, problem: str = "") -> Heartbeat:
    return a_worker(queue, silent=silent, name=heartbeats.scheduler_name(queue), kind="scheduler", problem=problem)


def problems() -> list[Problem]:
    return list(worker_state().problems)


def test_nothing_is_said_when_a_worker_answers_and_its_scheduler_runs() -> None:
    worker = a_worker()
    a_scheduler()

    state = worker_state()

    assert state.alive == (worker,)
    assert state.problems == ()


def test_a_site_without_a_worker_says_so_and_how_to_start_one() -> None:
    assert problems() == [
        Problem(
            "backups", "No worker has ever answered.", "Start one on the host that holds the files: manage.py worker."
        )
    ]


@pytest.mark.parametrize(("silent", "words"), [(65, "1 min"), (4 * 60 + 5, "4 min"), (119 * 60, "1 h"), (7500, "2 h")])
def test_a_silent_worker_is_named_with_its_host_and_the_length_of_the_silence(silent: float, words: str) -> None:
    a_worker(silent=silent, up=99_999)

    assert problems() == [
        Problem("backups", f"No worker has answered for {words}.", "Start one on hq: manage.py worker.")
    ]


def test_a_sign_of_life_from_the_future_is_none() -> None:
    a_worker(silent=-7200)

    assert [problem.message for problem in problems()] == [
        "The worker on hq answered 1 h in the future: a clock is wrong."
    ]


def test_a_worker_that_was_stopped_is_distinguished_from_one_that_died() -> None:
    a_worker(stopped_at=timezone.now() - timedelta(minutes=3))

    assert [problem.message for problem in problems()] == ["The worker on hq was stopped 3 min ago."]
    assert worker_state().alive == ()


def test_each_queue_that_instances_name_needs_a_worker_of_its_own(declare: Callable[[str], None]) -> None:
    declare(SHOP + RADIUS)
    a_worker()
    a_scheduler()

    assert problems() == [
        Problem(
            "branch",
            "No worker of queue branch has ever answered.",
            "Start one on the host that holds the files: manage.py worker --queue branch.",
        )
    ]


def test_a_queue_without_instances_needs_no_worker_unless_a_run_waits_in_it(declare: Callable[[str], None]) -> None:
    declare(RADIUS)
    a_worker("branch")
    a_scheduler("branch")
    assert problems() == []

    an_execution("unknown", status=BackupExecution.Status.QUEUED)
    assert [problem.message for problem in problems()] == ["No worker has ever answered."]


def test_a_scheduler_that_does_not_run_while_its_worker_answers_is_a_problem() -> None:
    a_worker()
    a_scheduler(silent=7 * 60 + 1)

    assert problems() == [
        Problem("backups", "The scheduler has not run for 7 min.", "Restart the worker; its log says why.")
    ]


def test_a_worker_that_just_started_has_time_for_its_first_tick() -> None:
    a_worker(up=20)
    a_scheduler(silent=3600)

    assert problems() == []


def test_housekeeping_that_fails_is_a_problem() -> None:
    a_worker()
    a_scheduler(problem="end_dead_runs: the disk is gone")

    assert [problem.message for problem in problems()] == ["Housekeeping fails: end_dead_runs: the disk is gone."]


def test_a_heartbeat_is_one_row_that_moves_on_and_keeps_its_start() -> None:
    began = timezone.now() - timedelta(hours=1)
    name = heartbeats.worker_name()

    for _ in range(2):
        heartbeats.beat(name, heartbeats.Kind.WORKER, "backups", started_at=began)

    row = Heartbeat.objects.get()
    assert (row.started_at, row.name) == (began, f"worker {row.host}:{row.pid}")
    assert timezone.now() - row.beat_at < timedelta(seconds=5)

    heartbeats.mark_stopped(name)
    row.refresh_from_db()
    assert row.stopped_at is not None


def test_a_worker_that_starts_forgets_those_of_its_queue_that_died_on_its_host() -> None:
    here = {"host": socket.gethostname()}
    dead = a_worker(**here, pid=999_999_999)
    kept = [a_worker(**here, pid=os.getpid()), a_worker("branch", **here, pid=999_999_999), a_worker(pid=999_999_999)]

    heartbeats.delete_dead("backups")

    assert not Heartbeat.objects.filter(name=dead.name).exists()
    assert Heartbeat.objects.count() == len(kept)


def test_the_check_of_the_database_reports_that_no_worker_answers(home: Path) -> None:
    messages = run_checks(tags=["database"], databases=["default"])

    found = [(message.id, message.msg) for message in messages if message.id == "backups.W024"]
    assert found == [("backups.W024", "No worker has ever answered.")]
    assert "backups.W024" not in [message.id for message in run_checks(databases=None)]
