"""Faults that a soak injects into a worker in the middle of a backup."""

import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.support.processes.process_table import children_of
from tests.support.sites.worker_process import Worker
from tests.support.sites.worker_site import Site


@dataclass
class Arena:
    """A site with one worker at a time; `run` returns the process of a backup, 0 when it does not run."""

    site: Site
    worker: Worker

    def tend(self) -> None:
        """Restart the worker when it has ended, as systemd does."""
        if self.worker.process.poll() is not None:
            self.worker = self.site.worker()

    def has_begun(self, run_id: str) -> bool:
        self.tend()
        return self.site.status(run_id) != "queued"

    def run(self, run_id: str) -> int:
        row = self.site.run(run_id)
        return int(row["worker"].rpartition(":")[2]) if row["status"] == "running" else 0


def kill(pid: int) -> None:
    if pid:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            return


def kill_run(arena: Arena, run_id: str) -> None:
    kill(arena.run(run_id))


def kill_task(arena: Arena, run_id: str) -> None:
    run = arena.run(run_id)
    kill(next((pid for pid in children_of(arena.worker.sentinel) if run in children_of(pid)), 0))


def kill_sentinel(arena: Arena, run_id: str) -> None:
    kill(arena.worker.sentinel)


def kill_worker(arena: Arena, run_id: str) -> None:
    kill(arena.worker.pid)


def kill_everything(arena: Arena, run_id: str) -> None:
    for pid in arena.site.processes():
        kill(pid)


def stop_worker(arena: Arena, run_id: str) -> None:
    arena.worker.tell(signal.SIGTERM)


def stop_group(arena: Arena, run_id: str) -> None:
    arena.worker.tell_group(signal.SIGTERM)


def cancel(arena: Arena, run_id: str) -> None:
    arena.site.execute(
        "UPDATE backup_executions SET cancel_requested_at = ?, cancel_requested_by = 'soak' "
        "WHERE id = ? AND status = 'running'",
        datetime.now(UTC).isoformat(" "), run_id,
    )  # fmt: skip


def run_out_of_time(arena: Arena, run_id: str) -> None:
    pid = arena.run(run_id)
    if pid:
        os.kill(pid, signal.SIGALRM)


FAULTS: list[Callable[[Arena, str], None]] = [
    kill_run, kill_task, kill_sentinel, kill_worker, kill_everything, stop_worker, stop_group, cancel, run_out_of_time,
]  # fmt: skip
