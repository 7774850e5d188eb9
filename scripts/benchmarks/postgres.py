"""A PostgreSQL server for the length of a benchmark, from the installed binaries, on 127.0.0.1."""

import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.measure import run

BINARIES = "usr/lib/postgresql/*/bin/initdb"
# the data is not needed after a crash, and reading is not affected; every other setting has its default
OPTIONS = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "max_wal_size=4GB")


def binaries() -> Path | None:
    """Return the folder of the programs of the newest version; None where PostgreSQL is not installed."""
    found = sorted(Path("/").glob(BINARIES), key=lambda path: float(path.parts[-3]))
    return found[-1].parent if found else None


@contextmanager
def server(programs: Path, parent: Path) -> Iterator[str]:
    """Yield the URL of an empty database; its files lie in a folder of their own in `parent`, and go with it.

    Root runs it as the user postgres, because it refuses root. Raises BenchmarkError when it does not start.
    """
    home, port = Path(tempfile.mkdtemp(prefix="backupsite-postgres-", dir=parent)), _free_port()
    as_user: list[str | Path] = []
    if os.geteuid() == 0:
        shutil.chown(home, "postgres", "postgres")
        as_user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
    data = ["-D", home / "data"]
    settings = [*OPTIONS, "listen_addresses=127.0.0.1", f"port={port}", f"unix_socket_directories={home}"]
    options = " ".join(f"-c {setting}" for setting in settings)
    control = [*as_user, programs / "pg_ctl", *data, "-w"]
    try:
        run([*as_user, programs / "initdb", *data, "--auth=trust", "--username=site", "--no-sync", "--encoding=UTF8"])
        run([*control, "start", "-l", home / "log", "-o", options])
        try:
            yield f"postgres://site@127.0.0.1:{port}/postgres"
        finally:
            run([*control, "stop", "-m", "immediate"])
    finally:
        shutil.rmtree(home)


def version_of(programs: Path) -> str:
    return run([programs / "postgres", "--version"]).output


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
