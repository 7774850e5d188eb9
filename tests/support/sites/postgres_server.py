"""A PostgreSQL server of our own, from the installed binaries, on 127.0.0.1."""

import os
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

from tests.support.programs import missing

BINARIES = "/usr/lib/postgresql/*/bin"
FAST = ["fsync=off", "synchronous_commit=off", "full_page_writes=off", "max_connections=60", "shared_buffers=16MB"]


def binaries() -> Path:
    """Return the folder of initdb and postgres of the newest version; skips or fails when there is none."""
    found = sorted(Path("/").glob(f"{BINARIES[1:]}/initdb"), key=lambda path: float(path.parts[-3]))
    if not found:
        missing(f"PostgreSQL is not installed ({BINARIES}/initdb)")
    return found[-1].parent


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


class Postgres:
    """Started by `start`, ended by `stop`; root runs it as the user postgres, because it refuses root."""

    def __init__(self) -> None:
        self._binaries = binaries()
        self._home = Path(tempfile.mkdtemp(prefix="backupsite-postgres-"))
        self.port = free_port()
        self._as_user: list[str] = []
        if os.geteuid() == 0:
            shutil.chown(self._home, "postgres", "postgres")
            self._as_user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]

    def start(self) -> None:
        self._run("initdb", "--auth=trust", "--username=site", "--no-sync", "--encoding=UTF8", "--locale=C")
        options = [f"-c {option}" for option in [*FAST, "listen_addresses=127.0.0.1", f"port={self.port}"]]
        options.append(f"-c unix_socket_directories={self._home}")
        self._run("pg_ctl", "start", "-w", "-t", "30", "-l", str(self._home / "log"), "-o", " ".join(options))

    def stop(self) -> None:
        self._run("pg_ctl", "stop", "-w", "-m", "immediate")
        shutil.rmtree(self._home)

    def create(self, name: str, *, template: str = "template0") -> str:
        """Create a database and return its URL."""
        self.query("postgres", f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        return self.url(name)

    def shut(self, name: str) -> None:
        """Throw everybody out of a database, and let nobody in."""
        self.query("postgres", f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
        self.query("postgres", f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")

    def open(self, name: str) -> None:
        self.query("postgres", f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')

    def url(self, name: str) -> str:
        return f"postgres://site@127.0.0.1:{self.port}/{name}"

    def query(self, name: str, sql: str) -> None:
        argv = ["psql", "-h", "127.0.0.1", "-p", str(self.port), "-U", "site", "-d", name, "-q", "-c", sql]
        subprocess.run([str(self._binaries / argv[0]), *argv[1:]], check=True, capture_output=True, timeout=30)

    def _run(self, program: str, *args: str) -> None:
        data = ["-D", str(self._home / "data")]
        subprocess.run(
            [*self._as_user, str(self._binaries / program), *args, *data],
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            stdin=subprocess.DEVNULL,
            cwd="/",
            timeout=60,
        )
