"""Memory with a large file: it must not grow with its size."""

import shutil
from collections.abc import Iterator
from pathlib import Path

from benchmarks import measure
from benchmarks.bench import MEGABYTE, Bench, say
from benchmarks.destinations.servers import missing, serve
from benchmarks.destinations.transfers import our_program, timed
from benchmarks.report import Target, table

TITLE = "Memory with a large file"
TYPES = ("sftp", "ftp", "webdav", "s3")
MEGABYTES, QUICK_MEGABYTES = 1000, 100
MEMORY_MIB = 64


def run(bench: Bench) -> Iterator[str]:
    megabytes = MEGABYTES if bench.rounds > 1 else QUICK_MEGABYTES
    folder = bench.scratch("large")
    source = folder / "source"
    with source.open("wb") as file:
        # nothing compresses it on its way
        file.truncate(megabytes * MEGABYTE)
    sha256 = measure.run(["sha256sum", source]).output.split()[0]
    rows, targets = [], []
    for type in TYPES:
        if reason := missing(type):
            yield f"`{type}` is left out: {reason}."
            continue
        with serve(type, folder) as server:
            for direction, path in (("to", source), ("from", Path("/dev/null"))):
                say(f"{megabytes} MB {direction} {type}")
                found = timed(our_program(type), server, direction, path, "large/0.bin", sha256)
                rows.append([f"{direction} `{type}`", f"{found.wall:.1f}", f"{found.peak:.0f}"])
                targets.append(Target(f"memory {direction} `{type}`", found.peak, MEMORY_MIB, " MiB"))
    yield f"One file of {megabytes} MB; peak memory beyond the idle process:"
    yield table(("", "wall s", "peak MiB"), rows)
    yield "\n".join(f"- {target}" for target in targets)
    shutil.rmtree(folder)
