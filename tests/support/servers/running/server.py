"""What all servers that are programs have in common: a folder, a port, a process tree."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.support.memory import folder_in_memory
from tests.support.paths import PROJECT
from tests.support.servers.running.ports import free_port

PATIENCE_SECONDS = 30
SUPERVISOR = [sys.executable, "-S", "-m", "tests.support.servers.running.supervisor"]


class Server:
    """A program that listens at `host` and `port` and keeps its files in `folder`.

    A context manager: it runs inside the block, afterwards its processes and its folder are gone, also when the process
    of the tests was killed. `restart` and `stop` end its sessions too and keep its files.
    """

    host = "127.0.0.1"

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="backupsite-server-", dir=folder_in_memory(4 << 30)))
        # accounts of the server are other users
        self.folder.chmod(0o755)
        self.port = free_port(self.host)
        self.process: subprocess.Popen[str] | None = None

    def argv(self) -> list[str]:
        """Return the command that runs the server in the foreground; called at every start."""
        raise NotImplementedError

    def environment(self) -> dict[str, str]:
        return {"PATH": os.environ["PATH"], "HOME": str(self.folder), "PYTHONPATH": str(PROJECT), "LANG": "C.UTF-8"}

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self._end(keep=False)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end(keep=False)

    def start(self) -> None:
        """Start it and wait until it accepts connections."""
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [*SUPERVISOR, str(self.folder), *self.argv()],
                cwd=PROJECT, env=self.environment(), stdin=subprocess.PIPE, stdout=log, stderr=log, text=True,
                # a Ctrl-C or a signal to the group of pytest must not end the supervisor before the server
                start_new_session=True,
                # the site sets a stricter one
                umask=0o022,
            )  # fmt: skip
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not self.answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{type(self).__name__} does not answer at port {self.port}.\n{self.log()}")
            time.sleep(0.01)

    def answers(self) -> bool:
        try:
            socket.create_connection((self.host, self.port), timeout=5).close()
        except OSError:
            return False
        return True

    def stop(self) -> None:
        """Kill it with all of its sessions."""
        self._end(keep=True)

    def restart(self) -> None:
        self.stop()
        self.start()

    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")

    def _end(self, *, keep: bool) -> None:
        if self.process is not None:
            self.process.communicate("keep" if keep else "", timeout=PATIENCE_SECONDS)
            self.process = None
        if not keep:
            shutil.rmtree(self.folder, ignore_errors=True)
