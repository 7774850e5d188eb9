"""Servers on loopback for the benchmarks: those of the tests, each in a process of its own."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from benchmarks.measure import BenchmarkError

REPOSITORY = Path(__file__).resolve().parents[3]
# starts a server, prints the options of the destination, and ends it when standard input does
SERVERS = {
    "sftp": """
from tests.support.servers.running.accounts import FULL
from tests.support.servers.sshd import Sshd
server = Sshd()
def options(server, location, timeout):
    known = server.folder / "known_hosts"
    known.write_text(server.known_hosts())
    return {
        "host": server.host, "port": server.port, "username": FULL, "private_key": str(server.key),
        "known_hosts_file": str(known), "base_path": location, "timeout": timeout,
    }
""",
    "rclone": """
from contextlib import nullcontext
server = nullcontext()
def options(server, location, timeout):
    config = Path(sys.argv[1], "rclone.conf")
    config.write_text("[here]\\ntype = local\\n")
    return {"remote": "here:" + str(Path(sys.argv[1], location)), "config_file": str(config), "timeout": timeout}
""",
    "s3": """
from tests.support.servers.certificates import Certificates
from tests.support.servers.objects.moto import Moto as Server
from tests.destinations.backends.s3.buckets import s3_options as options
server = Server(Certificates(Path(sys.argv[1])))
""",
    "azure": """
from tests.support.servers.objects.azurite import Azurite as Server
from tests.destinations.contract.azure_place import azure_options as options
server = Server()
""",
    "gcs": """
from tests.support.servers.objects.gcs import Gcs as Server
from tests.destinations.backends.gcs.buckets import gcs_options as options
server = Server()
""",
    "ftp": """
from tests.support.servers.certificates import Certificates
from tests.support.servers.ftp.vsftpd import Vsftpd as Server
from tests.destinations.contract.ftp_place import account
server = Server("explicit", Certificates(Path(sys.argv[1])))
def options(server, *, location, timeout):
    return {**account(server), "base_path": location, "timeout": timeout}
""",
    "webdav": """
from tests.support.servers.certificates import Certificates
from tests.support.servers.webdav import Webdav as Server
from tests.destinations.contract.webdav_place import account
certificates = Certificates(Path(sys.argv[1]))
server = Server(certificates, certificates.valid)
def options(server, *, location, timeout):
    return {**account(server), "base_path": location, "timeout": timeout}
""",
    "dropbox": """
from tests.support.servers.certificates import Certificates
from tests.support.servers.dropbox.server import Dropbox
from tests.destinations.contract.dropbox_place import dropbox_options
stored = Path(sys.argv[1], "dropbox")
stored.mkdir(exist_ok=True)
server = Dropbox(stored, Certificates(Path(sys.argv[1])))
# of what both store in several rounds
server.store.quota = 16 << 30
def options(server, *, location, timeout):
    return dropbox_options(server, root_path=location, timeout=timeout) | {"environment": server.environment()}
""",
    "storage": """
from contextlib import nullcontext
server = nullcontext()
def options(server, *, location, timeout):
    root = Path(sys.argv[1], "storage")
    root.mkdir(exist_ok=True)
    return {"alias": "bench", "location": location, "timeout": timeout, "root": str(root)}
""",
    "local": """
from contextlib import nullcontext
server = nullcontext()
def options(server, *, location, timeout):
    root = Path(sys.argv[1], "local")
    root.mkdir(mode=0o700, exist_ok=True)
    return {"path": location, "root": str(root)}
""",
}
SERVE = """
import json, sys
from pathlib import Path
{make}
with server:
    print(json.dumps(options(server, location="bench", timeout=120)), flush=True)
    sys.stdin.read()
"""
# modules and programs
NEEDED: dict[str, tuple[str, ...]] = {
    "sftp": ("asyncssh", "sftp"),
    "rclone": ("rclone",),
    "s3": ("boto3", "moto"),
    "azure": ("azure.storage.blob", "node"),
    "gcs": ("google.cloud.storage", "gcp_storage_emulator"),
    "ftp": ("vsftpd", "curl"),
    "webdav": ("wsgidav", "cheroot", "curl"),
    "dropbox": ("dropbox",),
    "storage": (),
    "local": ("cp", "sync"),
}


@dataclass(frozen=True, slots=True)
class Running:
    """A server: the options of a destination on it (JSON), and its process."""

    options: str
    pid: int


@contextmanager
def serve(type: str, folder: Path) -> Iterator[Running]:
    """Run the server of a type, which keeps files of its own in `folder`. Raises BenchmarkError."""
    with running(SERVE.replace("{make}", SERVERS[type]), folder) as server:
        yield server


@contextmanager
def running(program: str, folder: Path) -> Iterator[Running]:
    with subprocess.Popen(
        [sys.executable, "-c", program, str(folder)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment(),
    ) as process:  # fmt: skip
        options = process.stdout.readline() if process.stdout else ""
        if not options:
            raise BenchmarkError("a server does not start")
        json.loads(options)
        yield Running(options.strip(), process.pid)
        process.communicate()


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(REPOSITORY)}


def missing(type: str) -> str:
    """Return why a type cannot be measured here, "" when it can."""
    absent = [name for name in NEEDED[type] if not _is_installed(name)]
    if absent:
        return f"{', '.join(absent)} is not installed"
    if type in ("sftp", "ftp", "webdav") and os.geteuid() != 0:
        return "only root can run a server that logs other users in"
    return ""


def _is_installed(name: str) -> bool:
    """Whether there is a module or a program of that name."""
    try:
        return shutil.which(name) is not None or find_spec(name) is not None
    except ModuleNotFoundError:  # the package that would hold it
        return False
