"""Each type beside the tool that a person would use, to and from a server on loopback."""

import filecmp
import os
import shutil
from collections.abc import Iterator, Mapping
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
# those that read back each upload, unless an option says otherwise
READ_BACK = frozenset({"sftp", "ftp", "webdav", "storage", "local"})
OURS = ("wall s", "CPU s", "server CPU s", "peak MiB", "read back too, wall s")
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
                found = _measured(type, direction, rounds, server, path, sha256)
                targets += _targets(type, direction, found)
                rows.append(_row(type, direction, found))
        # a block at a time: a child begins with the peak of memory of its parent
        if not filecmp.cmp(source, target, shallow=False):
            raise BenchmarkError(f"what came back from {type} is not what was stored")
    yield (
        f"{megabytes} MB, ours and the tool in turn, the least of {rounds}. The transfer with what verifies it: the "
        "checksum of the source, the size that was stored, and the checksum of the server where it has one. What is "
        'read back is not in it: the column "read back too" is the same upload with that, where it is the rule. Peak '
        "memory beyond the idle process, the highest."
    )
    yield table(HEADINGS, rows)
    yield "\n".join(f"- {target}" for target in targets)
    shutil.rmtree(folder)


def _measured(type: str, direction: str, rounds: int, server: Running, path: Path, sha256: str) -> Mapping[str, Timed]:
    """Return the least times of each program, measured in turn."""
    programs = {"ours": our_program(type), "tool": program_of(TOOLS[type])}
    if direction == "to" and type in READ_BACK:
        programs["read back"] = our_program(type, reads_back=True)
    samples: dict[str, list[Timed]] = {name: [] for name in programs}
    for number in range(rounds):
        for name, program in programs.items():
            # names are never used twice, and what is fetched was stored by the one that fetches it
            stored = f"{name.replace(' ', '-')}/{number}.bin"
            samples[name].append(timed(program, server, direction, path, stored, sha256))
    return {name: least(found) for name, found in samples.items()}


def _limit(type: str, direction: str) -> float:
    """Return the most of the tool's wall time that a transfer may take."""
    return round(1 / (SPEED_OF_SFTP if (type, direction) == ("sftp", "to") else SPEED), 3)


def _targets(type: str, direction: str, found: Mapping[str, Timed]) -> list[Target]:
    ours, tool = found["ours"], found["tool"]
    return [
        Target(
            f"wall time {direction} `{type}` beside {TOOLS[type].name}",
            ours.wall / tool.wall,
            _limit(type, direction),
            "x",
        ),
        Target(
            f"memory {direction} `{type}`",
            max(one.peak for name, one in found.items() if name != "tool"),
            MEMORY_MIB,
            " MiB",
        ),
    ]


def _row(type: str, direction: str, found: Mapping[str, Timed]) -> list[str]:
    ours, tool, read_back = found["ours"], found["tool"], found.get("read back")
    return [
        f"{direction} `{type}`, beside {TOOLS[type].name}",
        *(f"{seconds:.2f}" for seconds in (ours.wall, ours.cpu, ours.server_cpu)),
        f"{ours.peak:.0f}",
        f"{read_back.wall:.2f}" if read_back else "-",
        *(f"{seconds:.2f}" for seconds in (tool.wall, tool.cpu)),
        f"{tool.peak:.0f}",
        f"{ours.wall / tool.wall:.2f}x",
        f"{tool.wall / ours.wall:.2f}x",
        "" if ours.wall <= tool.wall * _limit(type, direction) else "**slow**",
    ]
