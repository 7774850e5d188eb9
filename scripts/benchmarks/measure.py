"""Running programs one after the other and measuring what each one took."""

import os
import resource
import signal
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

MEBIBYTE = 1 << 20


class BenchmarkError(Exception):
    """The measurement cannot be made; the message says why."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One run: wall and processor seconds of the whole process tree, peak memory in bytes of its largest process.

    `output_bytes` is the size of what it made, `output` what it printed.
    """

    wall: float
    cpu: float
    peak_bytes: int
    output_bytes: int = 0
    output: str = ""


def run(argv: Sequence[str | Path], *, env: Mapping[str, str] | None = None) -> Sample:
    """Run `argv` to its end and measure it. Raises BenchmarkError with its messages when it fails.

    Source of processor time and peak memory: wait4(2), which counts the children that the process waited for.
    """
    words = [str(word) for word in argv]
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        actions = [(os.POSIX_SPAWN_DUP2, out.fileno(), 1), (os.POSIX_SPAWN_DUP2, err.fileno(), 2)]
        began = time.perf_counter()
        pid = os.posix_spawnp(words[0], words, env or os.environ, file_actions=actions)
        status, used = _wait(pid)
        wall = time.perf_counter() - began
        printed, complaints = _text(out), _text(err)
    if (code := os.waitstatus_to_exitcode(status)) != 0:
        raise BenchmarkError(f"{' '.join(words)}: exit code {code}\n{printed}{complaints}")
    return Sample(wall, used.ru_utime + used.ru_stime, used.ru_maxrss * 1024, output=printed.strip())


def _wait(pid: int) -> tuple[int, resource.struct_rusage]:
    try:
        _, status, used = os.wait4(pid, 0)
    except BaseException:  # interrupted: the child must not go on alone
        os.kill(pid, signal.SIGTERM)
        os.waitpid(pid, 0)
        raise
    return status, used


def _text(file: BinaryIO) -> str:
    file.seek(0)
    return file.read().decode(errors="replace")


def shell(script: str, *arguments: str | Path) -> Sample:
    """Run a shell script that finds `arguments` as $1, $2, ..."""
    return run(["sh", "-euc", script, "sh", *arguments])


def alternate(contestants: Mapping[str, Callable[[], Sample]], rounds: int) -> dict[str, Sample]:
    """Run A B A B ..., so that what else the machine does meets all alike, and return the median of each.

    What one left to be written to disk is written before the next one starts.
    """
    samples: dict[str, list[Sample]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, contestant in contestants.items():
            os.sync()
            samples[name].append(contestant())
    return {name: median(found) for name, found in samples.items()}


def median(samples: Sequence[Sample]) -> Sample:
    """Return the medians of time; the peak is the highest one, because a limit has to hold every time."""
    return replace(
        samples[-1],
        wall=statistics.median(sample.wall for sample in samples),
        cpu=statistics.median(sample.cpu for sample in samples),
        peak_bytes=max(sample.peak_bytes for sample in samples),
    )
