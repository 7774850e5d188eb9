"""Destinations: beside the tool that a person would use, with a large file, and several at once."""

from collections.abc import Iterator

from benchmarks.bench import Bench
from benchmarks.destinations import copies, large, pairs

TITLE = "Destinations"


def run(bench: Bench) -> Iterator[str]:
    for part in (pairs, large, copies):
        yield f"### {part.TITLE}"
        yield from part.run(bench)
