"""What every benchmark is given: how much and how often, a place to work in, instances of any size."""

import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measure import BenchmarkError, run

DATASET = Path(__file__).with_name("dataset.py")
MEGABYTE = 1_000_000
# the instance, its snapshot in the workspace, and archives of about a third each
SPACE_FACTOR = 4


@dataclass(frozen=True, slots=True)
class Bench:
    """`size_mb` of the main instance and `memory_mb` of those that memory is measured with, in 10^6 bytes.

    `executions` is the length of the history that pages are measured with, `tree_files` the number of small files,
    `large_gb` that of files of 10^9 bytes, without which memory is measured for 0.
    """

    directory: Path
    size_mb: int
    memory_mb: tuple[int, ...]
    executions: int
    rounds: int
    tree_files: int = 100_000
    large_gb: int = 0

    def instance(self, megabytes: int | None = None) -> Path:
        """Return the root of an instance with a database of that size, created at the first call."""
        size = megabytes or self.size_mb
        root = self.directory / f"instance-{size}"
        if not root.exists():
            say(f"making an instance of {size} MB")
            run([sys.executable, DATASET, root, str(size)])
        return root

    def scratch(self, name: str) -> Path:
        """Return an empty folder; one of that name from before is removed."""
        path = self.directory / name
        if path.exists():
            shutil.rmtree(path)
        path.mkdir(mode=0o700)
        return path

    def require_space(self) -> None:
        """Raise BenchmarkError unless the largest instance and what is made of it fit."""
        needed = (self.size_mb + SPACE_FACTOR * max(self.size_mb, *self.memory_mb)) * MEGABYTE
        free = shutil.disk_usage(self.directory).free
        if free < needed:
            raise BenchmarkError(f"{self.directory} has {free / 1e9:.1f} GB free, this needs {needed / 1e9:.1f} GB")


def say(text: str) -> None:
    """Print progress to stderr; standard output gets the tables only."""
    print(f"... {text}", file=sys.stderr, flush=True)
