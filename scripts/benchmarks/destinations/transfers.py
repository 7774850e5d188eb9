"""One transfer by a destination or by its tool, in a process of its own, timed from within."""

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import measure
from benchmarks.destinations.servers import Running, environment
from benchmarks.destinations.tools import Tool
from benchmarks.measure import MEBIBYTE

# prints the seconds of the transfer, its processor seconds with those of the programs that it starts, and the memory
# that it took beyond that of the idle process
TIMED = """
import hashlib, json, os, resource, sys, time
options, direction, path, name = json.loads(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4]
os.environ.update(options.pop("environment", {}))
{prepare}
idle, before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, sum(os.times()[:4]), time.perf_counter()
{transfer}
wall, cpu = time.perf_counter() - began, sum(os.times()[:4]) - before
print(wall, cpu, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - idle) * 1024)
"""
PREPARE = """
from pathlib import Path
os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
import django
django.setup()
from django.conf import settings
root = options.pop("root", "")
settings.BACKUP_ROOT = Path(root)
filesystem = {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"location": root}}
settings.STORAGES, settings.BACKUP_STORAGE_ALIASES = {**settings.STORAGES, "bench": filesystem}, ["bench"]
from destinations.backends import create_destination
destination = create_destination(TYPE, options)
destination.require_reachable()
# the checksum that reading back would find
SHA256 = sys.argv[5]
if not READ_BACK:
    destination.hash_of = lambda path: SHA256
if TYPE == "local" and not READ_BACK:
    # it compares what it reads back with this and nothing else
    SHA256 = None
"""
TRANSFER = """
if direction == "to":
    with open(path, "rb", buffering=0) as file:
        destination.put(file, name, size=os.path.getsize(path), token="bench", sha256=SHA256)
else:
    with open(path, "wb", buffering=0) as file:
        destination.get(name, file)
"""


@dataclass(frozen=True, slots=True)
class Timed:
    """Wall and processor seconds of a transfer, those of the server meanwhile, and peak memory beyond idle in MiB."""

    wall: float
    cpu: float
    server_cpu: float
    peak: float


def our_program(type: str, *, reads_back: bool = False) -> str:
    """Return the program of a transfer as the options say by themselves, without the reading of what is read back."""
    about = f"TYPE, READ_BACK = {type!r}, {reads_back!r}\n"
    return TIMED.replace("{prepare}", about + PREPARE).replace("{transfer}", TRANSFER)


def program_of(tool: Tool) -> str:
    return TIMED.replace("{prepare}", tool.prepare).replace("{transfer}", tool.transfer)


def timed(program: str, server: Running, direction: str, path: Path, name: str, sha256: str) -> Timed:
    """Move `path`, which has the checksum `sha256`, to or from the name `name`. Raises BenchmarkError."""
    os.sync()
    before = cpu_of_tree(server.pid)
    argv = [sys.executable, "-c", program, server.options, direction, path, name, sha256]
    wall, cpu, beyond = map(float, measure.run(argv, env=environment()).output.split()[-3:])
    return Timed(wall, cpu, cpu_of_tree(server.pid) - before, beyond / MEBIBYTE)


def least(samples: Sequence[Timed]) -> Timed:
    """Return the least of times, which other programs disturbed least, and the highest peak."""
    return Timed(
        min(one.wall for one in samples),
        min(one.cpu for one in samples),
        min(one.server_cpu for one in samples),
        max(one.peak for one in samples),
    )


def cpu_of_tree(pid: int) -> float:
    """Return the processor seconds of a process, of all that it started, and of those that ended."""
    children: dict[int, list[int]] = {}
    seconds: dict[int, float] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:  # it ended
            continue
        children.setdefault(int(fields[1]), []).append(int(folder.name))
        seconds[int(folder.name)] = sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
    total, waiting = 0.0, [pid]
    while waiting:
        one = waiting.pop()
        total += seconds.get(one, 0.0)
        waiting += children.get(one, [])
    return total
