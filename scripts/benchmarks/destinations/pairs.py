"""Each type beside the tool that a person would use, to and from a server on loopback."""

import filecmp
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from benchmarks import measure
from benchmarks.bench import MEGABYTE, Bench, say
from benchmarks.destinations.servers import Running, missing, serve
from benchmarks.destinations.tools import TOOLS
from benchmarks.destinations.transfers import Timed, least, our_program, program_of, timed
from benchmarks.measure import BenchmarkError
from benchmarks.report import Target, table

TITLE = "Beside the usual tool"
LARGEST_MB = 256
# of the tool's speed, and of OpenSSH's for what is sent by SFTP
SPEED, SPEED_OF_SFTP = 0.9, 1.0
MEMORY_MIB = 64
ROUNDS = 5
OURS = ("wall s", "CPU s", "server CPU s", "peak MiB")
THEIRS = ("tool wall s", "tool CPU s", "tool peak MiB")
HEADINGS = ("", *OURS, *THEIRS, "wall ratio", "speed", "")


def run(bench: Bench) -> Iterator[str]:
    megabytes = min(bench.size_mb, LARGEST_MB)
    # a single round is that of a quick run
    rounds = max(bench.rounds, ROUNDS) if bench.rounds > 1 else 1
    folder = bench.scratch("destinations")
    source, target = folder / "source", folder / "target"
    with source.open("wb") as file:
        for _ in range(megabytes):
            file.write(os.urandom(MEGABYTE))
    sha256 = measure.run(["sha256sum", source]).output.split()[0]
    rows: list[list[str]] = []
    targets: list[Target] = []
    for type in TOOLS:
        if reason := missing(type):
            yield f"`{type}` is left out: {reason}."
            continue
        with serve(type, folder) as server:
            for direction in ("to", "from"):
                say(f"{direction} {type}")
                path = source if direction == "to" else target
                ours, tool = _pair(type, direction, rounds, server, path, sha256)
                targets += _targets(type, direction, ours, tool)
                rows.append(_row(type, direction, ours, tool))
        # a block at a time: a child begins with the peak of memory of its parent
        if not filecmp.cmp(source, target, shallow=False):
            raise BenchmarkError(f"what came back from {type} is not what was stored")
    yield (
        f"{megabytes} MB, ours and the tool in turn, the least of {rounds}. The transfer with what verifies it; only "
        "`local` reads it back, which is not optional there. Peak memory beyond the idle process, the highest."
    )
    yield table(HEADINGS, rows)
    yield "\n".join(f"- {target}" for target in targets)
    shutil.rmtree(folder)


def _pair(type: str, direction: str, rounds: int, server: Running, path: Path, sha256: str) -> tuple[Timed, Timed]:
    """Return the least times of both, measured in turn."""
    programs = {"ours": our_program(type), "tool": program_of(TOOLS[type])}
    samples: dict[str, list[Timed]] = {name: [] for name in programs}
    for number in range(rounds):
        for name, program in programs.items():
            # names are never used twice, and what is fetched was stored by the one that fetches it
            stored = f"{name}/{number}.bin"
            samples[name].append(timed(program, server, direction, path, stored, sha256))
    return least(samples["ours"]), least(samples["tool"])


def _limit(type: str, direction: str) -> float:
    """Return the most of the tool's wall time that a transfer may take."""
    return round(1 / (SPEED_OF_SFTP if (type, direction) == ("sftp", "to") else SPEED), 2)


def _targets(type: str, direction: str, ours: Timed, tool: Timed) -> list[Target]:
    ratio = ours.wall / tool.wall
    return [
        Target(f"wall time {direction} `{type}` beside {TOOLS[type].name}", ratio, _limit(type, direction), "x"),
        Target(f"memory {direction} `{type}`", ours.peak, MEMORY_MIB, " MiB"),
    ]


def _row(type: str, direction: str, ours: Timed, tool: Timed) -> list[str]:
    return [
        f"{direction} `{type}`, beside {TOOLS[type].name}",
        *(f"{seconds:.2f}" for seconds in (ours.wall, ours.cpu, ours.server_cpu)),
        f"{ours.peak:.0f}",
        *(f"{seconds:.2f}" for seconds in (tool.wall, tool.cpu)),
        f"{tool.peak:.0f}",
        f"{ours.wall / tool.wall:.2f}x",
        f"{tool.wall / ours.wall:.2f}x",
        "" if ours.wall <= tool.wall * _limit(type, direction) else "**slow**",
    ]
