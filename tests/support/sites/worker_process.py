"""The process of a `worker`, and the signals that it is sent."""

import os
import signal
import subprocess
import time
from pathlib import Path

from tests.support.paths import PROJECT
from tests.support.processes.prepared import Prepared
from tests.support.processes.process_table import arguments_of, children_of


class Worker:
    """A `worker` of the site in `home`, in a session of its own."""

    def __init__(self, home: Path, argv: list[str], env: dict[str, str]) -> None:
        self.log = home / f"worker-{time.monotonic_ns()}.log"
        with self.log.open("wb") as log:
            self.process = Prepared(
                argv, env=env, cwd=PROJECT, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def sentinel(self) -> int:
        return next(pid for pid in children_of(self.pid) if pid != self.prepared)

    @property
    def prepared(self) -> int:
        """The process from which those of runs are forked; 0 when it has ended."""
        return next((pid for pid in children_of(self.pid) if b"forkruns" in arguments_of(pid)), 0)

    def runs(self) -> list[int]:
        """Return the processes of its runs."""
        return children_of(self.prepared) if self.prepared else []

    def tell(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def tell_group(self, number: signal.Signals) -> None:
        os.killpg(self.pid, number)

    def ended(self, *, within: float = 30) -> int:
        """Return its exit code, as soon as it has ended."""
        return self.process.wait(timeout=within)
