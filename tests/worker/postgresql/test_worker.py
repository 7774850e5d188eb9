"""Workers on PostgreSQL: an unavailable database, and several hosts."""

import os
import re
import signal
import time

from tests.support.sites.changed_runs import STOPS_DURING_UPLOAD, run_in_children
from tests.support.sites.postgres_server import Postgres
from tests.support.sites.worker_site import Site, eventually

QUICK = "import backups.worker.supervisor as s; s.BEAT_SECONDS = 0.3"


def test_a_worker_outlives_its_database_and_goes_on_when_it_is_back(postgres_site: Site, postgres: Postgres) -> None:
    site, name = postgres_site, postgres_site.env["DATABASE_URL"].rpartition("/")[2]
    worker = site.worker(script=QUICK)

    postgres.shut(name)
    eventually(lambda: "worker.heartbeat-failed" in worker.log.read_text())
    time.sleep(1)
    assert worker.process.poll() is None
    postgres.open(name)
    lock = site.lock_shop()
    run_id = site.queue(["shop-0"])[0]
    eventually(lambda: site.run(run_id)["stage"] == "exporting", within=40)
    ended = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database()"
    assert site.rows(f"{ended} AND pid <> pg_backend_pid()") > [(1,)]
    lock.close()

    # the connection of the run, which was idle, is opened again
    eventually(lambda: site.status(run_id) == "completed", within=40)
    worker.tell(signal.SIGTERM)
    assert worker.ended() == 0


def test_a_backup_outlives_a_short_absence_of_the_database(postgres_site: Site, postgres: Postgres) -> None:
    site, name = postgres_site, postgres_site.env["DATABASE_URL"].rpartition("/")[2]
    site.fill_big(1)
    run_id = site.queue(["big"])[0]
    site.worker(script=run_in_children(STOPS_DURING_UPLOAD))
    process = site.stopped(run_id)

    postgres.shut(name)
    postgres.open(name)
    os.kill(process, signal.SIGCONT)

    # where its own connection was lost too, the next tick finishes it, or removes the lock that it left because its row
    # might have stayed without an end: half a minute to a minute later
    eventually(lambda: site.status(run_id) not in ("queued", "running") and site.has_settled(), within=120)
    site.leaves_nothing()


def test_a_run_whose_worker_was_killed_is_ended_by_the_next_one(postgres_site: Site) -> None:
    site = postgres_site
    site.fill_big(1)
    run_id = site.queue(["big"])[0]
    site.worker(script=run_in_children(STOPS_DURING_UPLOAD))
    site.stopped(run_id)
    site.kill_everything()

    site.worker()

    eventually(lambda: site.status(run_id) == "interrupted")
    assert re.search(r"The process that ran it \(.+\) died in stage uploading", site.run(run_id)["error_message"])
    site.leaves_nothing()
