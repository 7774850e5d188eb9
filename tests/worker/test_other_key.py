"""A worker whose SECRET_KEY is not that of the living ones does not start: each would discard the others' messages."""

import subprocess

from tests.support.processes import prepared
from tests.support.sites.worker_site import Site, eventually

OTHER = "another-key-of-a-forgotten-host-" + "x" * 30


def start_refused(site: Site, **variables: str) -> "subprocess.CompletedProcess[str]":
    return prepared.run(["manage.py", "worker"], site.env | variables)


def test_it_is_refused_while_one_with_another_key_lives_and_starts_after_that(site: Site) -> None:
    (shop,) = site.declare(1)
    worker = site.worker()
    before = site.rows("SELECT name, key_fingerprint FROM backup_heartbeats WHERE kind = 'worker'")

    refused = start_refused(site, SECRET_KEY=OTHER)

    assert refused.returncode == 1
    assert "another SECRET_KEY" in refused.stderr.splitlines()[-1] and OTHER not in refused.stderr
    assert site.rows("SELECT name, key_fingerprint FROM backup_heartbeats WHERE kind = 'worker'") == before
    # what is queued is still done by the one that lives
    (run,) = site.queue([shop])
    eventually(lambda: site.rows("SELECT status FROM backup_executions WHERE id = ?", run) == [("completed",)])

    # a host that was forgotten sees it in `check`; a rotation stops all workers first
    site.env["SECRET_KEY"] = OTHER
    said = prepared.run(["manage.py", "check", "--database", "default"], site.env)
    assert "backups.W024" in said.stderr and "another SECRET_KEY" in said.stderr
    worker.process.terminate()
    assert worker.ended() == 0
    site.worker()


def test_one_that_was_killed_on_this_host_refuses_nothing(site: Site) -> None:
    site.declare(1)
    worker = site.worker()
    worker.process.kill()
    worker.process.wait()
    site.worker(SECRET_KEY=OTHER)
