"""The client programs of PostgreSQL, in the version of the server, with its password in their environment only."""

import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import IO, Any

from django.db.backends.postgresql.client import DatabaseClient

from backups.errors import ComponentError
from backups.lib.processes import set_parent_death_signal
from destinations.lib.redaction import redact_cut
from destinations.lib.secret_names import is_private_variable

# where the packages of Debian and of the PostgreSQL project put several versions side by side
FOLDERS = ("usr/lib/postgresql/*/bin", "usr/pgsql-*/bin")
POLL_SECONDS = 0.1
# how the server shows these programs
CLIENT = "backupsite-client"
MOST_BYTES = 4000
VERSION = re.compile(r"\) (\d+)")


class Server:
    """The server of the site's database, as the `settings` of Django name it."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self.settings = settings

    def environment(self) -> dict[str, str]:
        """Return the environment of the programs: how they reach the database, and no setting of this site."""
        options = dict(self.settings.get("OPTIONS", {}))
        _, own = DatabaseClient.settings_to_cmd_args_env({**self.settings, "OPTIONS": options}, [])
        # not on the command line, which every user of this machine can read; and a name with "=" would be read as more
        own = dict(own or {}) | {
            "PGDATABASE": str(self.settings["NAME"]),
            "PGHOST": str(self.settings["HOST"]),
            "PGPORT": str(self.settings["PORT"]),
            "PGUSER": str(self.settings["USER"]),
            "PGCONNECT_TIMEOUT": str(options.get("connect_timeout", 10)),
            "PGAPPNAME": CLIENT,
            "PGOPTIONS": str(options.get("options", "")),
        }
        kept = {name: value for name, value in os.environ.items() if _is_for_client(name)}
        return kept | {name: value for name, value in own.items() if value}

    def run(
        self,
        program: str,
        *arguments: str,
        output: IO[bytes] | None = None,
        checkpoint: Callable[[int], None] = lambda _: None,
    ) -> str:
        """Run the `program` at that path and return what it prints, unless that goes to `output`.

        Raises ComponentError, and what stops it.
        """
        with tempfile.TemporaryFile() as printed, tempfile.TemporaryFile() as errors:
            try:
                process = subprocess.Popen(
                    [program, *arguments], stdin=subprocess.DEVNULL, stdout=output or printed, stderr=errors,
                    env=self.environment(), start_new_session=True,
                    preexec_fn=partial(set_parent_death_signal, os.getpid(), signal.SIGKILL),
                )  # fmt: skip
            except OSError as error:
                raise ComponentError(
                    f"{program} cannot be started: {error.strerror}.", hint="Install the client of PostgreSQL."
                ) from error
            try:
                while process.poll() is None:
                    checkpoint(0)
                    with suppress(subprocess.TimeoutExpired):
                        process.wait(POLL_SECONDS)
            finally:
                if process.poll() is None:
                    with suppress(ProcessLookupError):
                        os.killpg(process.pid, signal.SIGKILL)
                    process.wait()
            printed.seek(0)
            errors.seek(0)
            if process.returncode:
                name = Path(program).name
                raise ComponentError(
                    f"{name} failed: {_reason(errors.read(MOST_BYTES).decode(errors='replace'))}.",
                    hint=f"See the log of the PostgreSQL server, or run {name} by hand as the same user.",
                )
            return printed.read().decode(errors="replace")

    def query(self, sql: str) -> str:
        """Return the answer to one statement as psql prints it. Raises ComponentError."""
        # of any version: the protocol has not changed
        psql = _found("psql")[-1][1]
        return self.run(psql, "--no-psqlrc", "--quiet", "--no-align", "--tuples-only", "--command", sql).strip()

    def program(self, name: str) -> str:
        """Return the path of the client program `name` for this server. Raises ComponentError."""
        return matching(name, int(self.query("SHOW server_version_num")) // 10_000)


def matching(name: str, major: int) -> str:
    """Return the path of the program `name` of that major version, else of the next newer one. Raises ComponentError.

    An older one refuses the server, or does not know all that it holds.
    """
    for version, path in _found(name):
        if version >= major:
            return path
    raise ComponentError(
        f"{name} is older than the PostgreSQL server, which is of version {major}.",
        hint=f"Install the client programs of version {major}, as the package postgresql-client-{major} of Debian.",
    )


def _found(name: str) -> list[tuple[int, str]]:
    """Return the programs of that name with their major version, the oldest first. Raises ComponentError."""
    paths = [shutil.which(name), *(str(path) for folder in FOLDERS for path in Path("/").glob(f"{folder}/{name}"))]
    found: dict[int, str] = {}
    for path in filter(None, paths):
        with suppress(OSError, subprocess.TimeoutExpired):
            text = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=10, check=False).stdout
            if version := VERSION.search(text):
                found.setdefault(int(version[1]), path)
    if not found:
        raise ComponentError(
            f"The program {name} is not installed.",
            hint="Install the client programs of PostgreSQL, as the package postgresql-client of Debian.",
        )
    return sorted(found.items())


def _is_for_client(name: str) -> bool:
    # what a deployment set for the connection: PGPASSFILE, PGSSLROOTCERT
    return name.startswith("PG") or not is_private_variable(name)


def _reason(output: str) -> str:
    """Return the errors in `output` without DETAIL and CONTEXT, which quote rows."""
    lines = [line for line in output.splitlines() if "ERROR:" in line or "FATAL:" in line or "error:" in line]
    first = " ".join((lines or output.splitlines() or ["it gave no reason"])[0].split())
    # without the path of the file in the workspace
    first = first.partition("ERROR: ")[2] or first
    return redact_cut(first, last=500).rstrip(".")
