"""Benchmarks by name. A new one is one module with a TITLE and a run(bench) that yields Markdown, and one line here."""

from collections.abc import Callable, Iterator, Mapping

from benchmarks import age, backup, destinations, front, memory, queued, restore, scale, startup, tree
from benchmarks.bench import Bench

Benchmark = tuple[str, Callable[[Bench], Iterator[str]]]

BENCHMARKS: Mapping[str, Benchmark] = {
    "backup": (backup.TITLE, backup.run),
    "restore": (restore.TITLE, restore.run),
    "tree": (tree.TITLE, tree.run),
    "age": (age.TITLE, age.run),
    "destinations": (destinations.TITLE, destinations.run),
    "memory": (memory.TITLE, memory.run),
    "startup": (startup.TITLE, startup.run),
    "front": (front.TITLE, front.run),
    "queue": (queued.TITLE, queued.run),
    "scale": (scale.TITLE, scale.run),
}
