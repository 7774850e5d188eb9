"""A server that has databases open, and the mismatches that are found of it."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from backups.instances import get_instance
from backups.instances.kinds import components_of
from backups.instances.mismatch import Mismatch, mismatches
from backups.lib.site_paths import NO_SITE_PATHS

SERVER = """
import os, sqlite3, sys
if user := int(os.environ.get("RUN_AS", 0)):
    os.setgroups([]); os.setgid(user); os.setuid(user)
if jail := os.environ.get("JAIL"):
    os.chroot(jail)
    os.chdir("/")
elif folder := os.environ.get("LEAVES_FOR"):
    os.chdir(folder)
connections = []
for path in sys.argv[1].split(","):
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA user_version").fetchone()
    connection.execute("CREATE TABLE IF NOT EXISTS server_was_here(x)")
    connections.append(connection)
print("serving", flush=True)
sys.stdin.read()
"""
VARIABLE = "TACACS_DEVICES_DATABASE"


@contextmanager
def server(
    *databases: Path, cwd: Path, config: Path | None = None, **environment: object
) -> Iterator[subprocess.Popen[str]]:
    """Run a process with these databases open, as a server has them."""
    arguments = [sys.executable, "-c", SERVER, ",".join(map(str, databases)) or ":memory:"]
    arguments += ["--config", str(config)] if config else []
    names = {name: str(value) for name, value in environment.items()}
    with subprocess.Popen(
        arguments, cwd=cwd, env={"PATH": os.environ["PATH"], **names}, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        text=True,
    ) as process:  # fmt: skip
        assert process.stdin is not None and process.stdout is not None
        assert process.stdout.readline() == "serving\n"
        try:
            yield process
        finally:
            process.stdin.close()
            process.wait(20)


def seen(name: str = "tacacs-hq") -> list[tuple[str, bool]]:
    return [(one.component, one.certain) for one in found(name)]


def found(name: str = "tacacs-hq") -> list[Mismatch]:
    instance = get_instance(name)
    return mismatches(instance, components_of(instance.service, own=NO_SITE_PATHS))


def without_key(root: Path, section: str, key: str) -> None:
    """Take a key out of the configuration file: its database is the default, unless the environment says otherwise."""
    conf = root / "config" / "tacacs.conf"
    lines, current, kept = conf.read_text().splitlines(), "", []
    for line in lines:
        current = line if line.startswith("[") else current
        if not (current == f"[{section}]" and line.partition("=")[0].strip() == key):
            kept.append(line)
    conf.write_text("\n".join(kept) + "\n")
