"""A worker in the foreground of a terminal: the terminal is closed, or a key sends a signal."""

import signal
import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing

import pytest

from tests.support.paths import PROJECT
from tests.support.processes.pseudo_terminals import OnTerminal
from tests.support.sites.worker_site import Site, eventually
from tests.worker.test_restores import a_restore, restore_row

HOOKS = """
[shop-0]
kind = "generic"
root = "{root}"
components.orders = {{kind = "sqlite", path = "orders.db"}}
[shop-0.hooks]
before_restore = ["sh", "-c", "echo stopped >> hooks.log; sleep 600"]
after_restore = ["sh", "-c", "echo started >> hooks.log"]
"""
WAYS: dict[str, Callable[[OnTerminal], None]] = {
    "terminal closed": lambda one: one.close(),
    "Ctrl-\\": lambda one: one.press(b"\x1c"),
    "Ctrl-C": lambda one: one.press(b"\x03"),
}


def on_terminal(site: Site, **variables: str) -> OnTerminal:
    return OnTerminal([sys.executable, str(PROJECT / "manage.py"), "worker"], site.env | variables)


def answers(site: Site) -> bool:
    return bool(site.rows("SELECT 1 FROM backup_heartbeats WHERE kind = 'worker' AND stopped_at IS NULL"))


@pytest.mark.parametrize("how", WAYS)
def test_a_worker_whose_terminal_goes_ends_its_runs_in_order_and_then_itself(site: Site, how: str) -> None:
    root = site.shop()
    (site.home / "instances.toml").write_text(HOOKS.format(root=root))
    worker = on_terminal(site, BACKUP_STOP_GRACE="0.5")
    try:
        eventually(lambda: answers(site))
        run_id = site.queue(["shop-0"])[0]
        eventually(lambda: site.status(run_id) == "completed")
        with closing(sqlite3.connect(root / "orders.db")) as orders:
            orders.execute("DELETE FROM orders")
            orders.commit()
        restore_id = a_restore(site, run_id)
        eventually((root / "hooks.log").exists)

        WAYS[how](worker)

        assert worker.ended() == 0
    finally:
        worker.kill()
    eventually(lambda: site.processes() == [], within=5)
    assert restore_row(site, restore_id)[0] == "interrupted"
    assert (root / "hooks.log").read_text() == "stopped\nstarted\n"
    with closing(sqlite3.connect(root / "orders.db")) as orders:
        assert orders.execute("SELECT count(*) FROM orders").fetchone() == (0,)
    assert site.workspaces() == []
    assert not answers(site)


def test_a_worker_works_with_a_log_file_that_it_may_not_write_and_the_front_page_can_say_so(site: Site) -> None:
    log = site.home / "no-such-folder" / "site.log"
    worker = site.worker(LOG_FILE=str(log))
    run_id = site.queue(["shop-0"])[0]
    eventually(lambda: site.status(run_id) == "completed")
    problem = f"The log file {log} cannot be written: No such file or directory."
    eventually(lambda: site.rows("SELECT problem FROM backup_heartbeats WHERE kind = 'worker'") == [(problem,)])
    eventually(lambda: problem in worker.log.read_text())
    # of the run, a process of its own, and of the worker
    eventually(lambda: "backup.completed backup=" in worker.log.read_text())
    assert "Traceback" not in worker.log.read_text()

    log.parent.mkdir()
    worker.tell_group(signal.SIGHUP)
    assert worker.ended() == 0
    assert "worker.ended" in log.read_text()
