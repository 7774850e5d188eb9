"""Redis as the broker: a lost message loses no run."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis

from tests.support.programs import require
from tests.support.sites.postgres_server import free_port
from tests.support.sites.worker_site import Site, copy_of, eventually


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def site(template: Path, tmp_path: Path, port: int) -> Iterator[Site]:
    with copy_of(template, tmp_path / "home", BACKUP_REDIS_URL=f"redis://127.0.0.1:{port}/0") as site:
        yield site


@contextmanager
def redis_server(port: int, folder: Path) -> "Iterator[redis.Redis]":
    argv = [require("redis-server"), "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
    server = subprocess.Popen(argv, stdout=subprocess.DEVNULL)
    client = redis.Redis(port=port)
    try:
        eventually(lambda: answers(client), within=10)
        yield client
    finally:
        client.close()
        server.kill()
        server.wait()


def answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.ConnectionError:
        return False


def test_each_backup_runs_once_and_no_message_is_left(site: Site, port: int, tmp_path: Path) -> None:
    with redis_server(port, tmp_path) as client:
        queued = site.queue(site.declare(4))
        assert client.llen("django_q:backups:q") == 4
        assert site.rows("SELECT count(*) FROM django_q_ormq") == [(0,)]

        site.worker()
        eventually(lambda: site.statuses() == ["completed"])

        assert [site.log().count(f"backup.claimed backup={run_id}") for run_id in queued] == [1] * 4
        assert eventually(lambda: client.llen("django_q:backups:q") == 0)
        site.leaves_nothing()
        site.stop_workers()


def test_what_is_queued_while_redis_is_gone_runs_when_it_is_back(site: Site, port: int, tmp_path: Path) -> None:
    require("redis-server")
    run_id = site.queue(["shop-0"])[0]
    assert site.status(run_id) == "queued"
    assert "queue.send-failed" in site.log()
    assert "Redis of BACKUP_REDIS_URL is running" in site.manage("worker", code=1)

    with redis_server(port, tmp_path):
        site.worker()
        eventually(lambda: site.status(run_id) == "completed")
        site.stop_workers()


def test_messages_that_a_killed_worker_held_are_not_missed(site: Site, port: int, tmp_path: Path) -> None:
    with redis_server(port, tmp_path) as client:
        lock = site.lock_shop()
        queued = site.queue(site.declare(4))
        site.worker(BACKUP_WORKERS="1")
        # whichever has the only slot waits for the lock, and the messages of the others are gone
        ((running,),) = eventually(lambda: site.rows("SELECT id FROM backup_executions WHERE stage = 'exporting'"))
        eventually(lambda: client.llen("django_q:backups:q") == 0)
        site.kill_everything()
        eventually(lambda: site.processes() == [])
        others = [run_id for run_id in queued if run_id != running]
        assert [site.status(run_id) for run_id in (running, *others)] == ["running", "queued", "queued", "queued"]
        lock.close()

        site.worker()

        ended = ["interrupted", "completed", "completed", "completed"]
        eventually(lambda: [site.status(run_id) for run_id in (running, *others)] == ended)
        site.leaves_nothing()
        site.stop_workers()
