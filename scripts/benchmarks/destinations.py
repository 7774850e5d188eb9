"""Destinations beyond this machine beside the tool that a person would use, to and from a server on loopback."""

import filecmp
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

from benchmarks import measure
from benchmarks.bench import MEGABYTE, Bench, say
from benchmarks.measure import MEBIBYTE, BenchmarkError, Sample, alternate
from benchmarks.report import Target, comparison

TITLE = "Destinations beyond this machine"
OURS = "backupsite"
# of wall time: the tool at 0.9 of the speed
LIMIT = 1 / 0.9
LARGEST_MB = 256
MEMORY_MIB = 64
REPOSITORY = Path(__file__).resolve().parents[2]

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
        "known_hosts_file": str(known), "base_path": location, "timeout": timeout, "read_back": False,
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
    return {**account(server), "base_path": location, "timeout": timeout, "read_back": False}
""",
    "webdav": """
from tests.support.servers.certificates import Certificates
from tests.support.servers.webdav import Webdav as Server
from tests.destinations.contract.webdav_place import account
certificates = Certificates(Path(sys.argv[1]))
server = Server(certificates, certificates.valid)
def options(server, *, location, timeout):
    return {**account(server), "base_path": location, "timeout": timeout, "read_back": False}
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
# prints the seconds of the transfer and the memory that it took beyond that of the idle process
TIMED = """
import hashlib, json, os, resource, sys, time
options, direction, path, name = json.loads(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4]
{prepare}
idle, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
{transfer}
print(time.perf_counter() - began, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - idle) * 1024)
"""
OUR_TRANSFER = (
    """
os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
import django
django.setup()
from destinations.backends import create_destination
destination = create_destination({type!r}, options)
destination.require_reachable()
sha256 = sys.argv[5]
""",
    """
if direction == "to":
    with open(path, "rb", buffering=0) as file:
        destination.put(file, name, size=os.path.getsize(path), token="bench", sha256=sha256)
else:
    with open(path, "wb", buffering=0) as file:
        destination.get(name, file)
""",
)


@dataclass(frozen=True, slots=True)
class Tool:
    """What the type is compared with: its name, and the program."""

    name: str
    prepare: str
    transfer: str


# the password goes by standard input
CURL = """
import subprocess
login = f'user = "{options["username"]}:{options["password"]}"'
def curl(*words):
    argv = ["curl", "--silent", "--show-error", "--fail", "--cacert", options["ca_file"], "--config", "-", *words]
    subprocess.run(argv, input=login.encode(), stdout=subprocess.DEVNULL, check=True)
"""
TOOLS: Mapping[str, Tool] = {
    "sftp": Tool(
        "OpenSSH's `sftp`",
        """
import atexit, subprocess, tempfile
control = os.path.join(tempfile.mkdtemp(), "control")
words = ["-o", "ControlPath=" + control, "-o", "UserKnownHostsFile=" + options["known_hosts_file"]]
login = ["-i", options["private_key"], "-o", "BatchMode=yes", options["username"] + "@" + options["host"]]
port = str(options["port"])
# logged in before the clock runs, as the other one is
subprocess.run(["ssh", "-M", "-fN", "-p", port, *words, *login], check=True, stderr=subprocess.DEVNULL)
atexit.register(subprocess.run, ["ssh", "-O", "exit", *words, *login], stderr=subprocess.DEVNULL)
""",
        """
moves = "put " + path + " bench/" + name if direction == "to" else "get bench/" + name + " " + path
batch = "-mkdir bench\\n-mkdir bench/tool\\n" + moves + "\\n"
argv = ["sftp", "-q", "-b", "-", "-P", port, *words, *login]
subprocess.run(argv, input=batch.encode(), check=True, capture_output=True)
""",
    ),
    "rclone": Tool(
        "`rclone copyto`",
        """
import subprocess
stored = options["remote"] + "/" + name
""",
        """
ends = (path, stored) if direction == "to" else (stored, path)
subprocess.run(["rclone", "--config", options["config_file"], "copyto", *ends], check=True)
""",
    ),
    "s3": Tool(
        "boto3's `upload_file`, `download_file`",
        """
import boto3
from botocore.config import Config
client = boto3.client(
    "s3", endpoint_url=options["endpoint_url"], region_name=options["region_name"],
    aws_access_key_id=options["access_key"], aws_secret_access_key=options["secret_key"],
    config=Config(s3={"addressing_style": "path"}),
)
client.head_bucket(Bucket=options["bucket_name"])
""",
        """
if direction == "to":
    client.upload_file(path, options["bucket_name"], "bench/" + name)
else:
    client.download_file(options["bucket_name"], "bench/" + name, path)
""",
    ),
    "azure": Tool(
        "the SDK's `upload_blob`, `download_blob`",
        """
from azure.storage.blob import ContainerClient
client = ContainerClient.from_connection_string(options["connection_string"], options["azure_container"])
client.exists()
""",
        """
if direction == "to":
    with open(path, "rb") as file:
        client.upload_blob("bench/" + name, file, max_concurrency=4)
else:
    with open(path, "wb") as file:
        client.download_blob("bench/" + name, max_concurrency=4).readinto(file)
""",
    ),
    "gcs": Tool(
        "google-cloud-storage",
        """
from google.api_core.client_options import ClientOptions
from google.cloud import storage
from google.oauth2 import service_account
account = service_account.Credentials.from_service_account_info(json.loads(options["credentials"]))
where = ClientOptions(api_endpoint=options["custom_endpoint"])
client = storage.Client(project="backups", credentials=account, client_options=where)
blob = client.bucket(options["bucket_name"]).blob("bench/" + name)
blob.exists()
""",
        """
blob.upload_from_filename(path) if direction == "to" else blob.download_to_filename(path)
""",
    ),
    "ftp": Tool(
        "curl",
        CURL,
        """
place = f"ftp://{options['host']}:{options['port']}/bench/{name}"
curl("--ssl-reqd", "--ftp-create-dirs", *(["--upload-file", path] if direction == "to" else ["--output", path]), place)
""",
    ),
    "webdav": Tool(
        "curl",
        CURL,
        """
place = f"{options['url']}{name.replace('/', '-')}"
curl(*(["--upload-file", path] if direction == "to" else ["--output", path]), place)
""",
    ),
}
# modules and programs
NEEDED = {
    "sftp": ("asyncssh", "sftp"),
    "rclone": ("rclone",),
    "s3": ("boto3", "moto"),
    "azure": ("azure.storage.blob", "node"),
    "gcs": ("google.cloud.storage", "gcp_storage_emulator"),
    "ftp": ("vsftpd", "curl"),
    "webdav": ("wsgidav", "cheroot", "curl"),
}


def run(bench: Bench) -> Iterator[str]:
    megabytes = min(bench.size_mb, LARGEST_MB)
    folder = bench.scratch("destinations")
    source, target = folder / "source", folder / "target"
    with source.open("wb") as file:
        for _ in range(megabytes):
            file.write(os.urandom(MEGABYTE))
    yield f"{megabytes} MB, median of {bench.rounds}. The transfer with what verifies it; peak beyond the idle process."
    sha256 = measure.run(["sha256sum", source]).output.split()[0]
    for type, tool in TOOLS.items():
        if missing := [name for name in NEEDED[type] if not _is_installed(name) and not shutil.which(name)]:
            yield f"`{type}` is left out: {', '.join(missing)} is not installed."
            continue
        if type == "sftp" and os.geteuid() != 0:
            yield "`sftp` is left out: only root can run a server that logs other users in."
            continue
        with _server(type, folder) as options:
            for direction in ("to", "from"):
                say(f"{direction} {type}")
                path = source if direction == "to" else target
                yield from _compare(type, tool, direction, bench.rounds, options, path, sha256)
        # a block at a time: a child begins with the peak of memory of its parent
        if not filecmp.cmp(source, target, shallow=False):
            raise BenchmarkError(f"what came back from {type} is not what was stored")
    shutil.rmtree(folder)


def _compare(
    type: str, tool: Tool, direction: str, rounds: int, options: str, path: Path, sha256: str
) -> Iterator[str]:
    prepare, transfer = OUR_TRANSFER
    programs = {
        OURS: TIMED.format(prepare=prepare.replace("{type!r}", repr(type)), transfer=transfer),
        tool.name: TIMED.replace("{prepare}", tool.prepare).replace("{transfer}", tool.transfer),
    }
    count = dict.fromkeys(programs, 0)

    def timed(name: str) -> Sample:
        count[name] += 1
        # names are never used twice, and what is fetched was stored by the one that fetches it
        stored = f"{'ours' if name == OURS else 'tool'}/{count[name]}.bin"
        argv: list[str | Path] = [sys.executable, "-c", programs[name], options, direction, path, stored, sha256]
        sample = measure.run(argv, env=_environment())
        seconds, beyond = sample.output.split()[-2:]
        return replace(sample, wall=float(seconds), peak_bytes=int(beyond))

    samples = alternate({name: lambda name=name: timed(name) for name in programs}, rounds)
    yield f"{direction.capitalize()} `{type}`:"
    yield comparison(samples, tool.name)
    ours = samples[OURS]
    yield f"- {Target(f'wall time {direction} {type} beside it', ours.wall / samples[tool.name].wall, LIMIT, 'x')}"
    yield f"- {Target(f'memory {direction} {type}', ours.peak_bytes / MEBIBYTE, MEMORY_MIB, ' MiB')}"


@contextmanager
def _server(type: str, folder: Path) -> Iterator[str]:
    program = SERVE.replace("{make}", SERVERS[type])
    with subprocess.Popen(
        [sys.executable, "-c", program, str(folder)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=_environment(),
    ) as process:  # fmt: skip
        options = process.stdout.readline() if process.stdout else ""
        if not options:
            raise BenchmarkError(f"the server of {type} does not start")
        json.loads(options)
        yield options.strip()
        process.communicate()


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(REPOSITORY)}


def _is_installed(name: str) -> bool:
    """Whether there is a module or a program of that name."""
    try:
        return shutil.which(name) is not None or find_spec(name) is not None
    except ModuleNotFoundError:  # the package that would hold it
        return False
