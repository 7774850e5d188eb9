"""Peak memory of a backup as the data grows: it must not."""

import os
import shutil
from collections.abc import Iterator

from benchmarks.bench import Bench, say
from benchmarks.measure import MEBIBYTE
from benchmarks.report import HEADINGS, Target, measured, table
from benchmarks.site import Site

TITLE = "Memory"
PEAK_LIMIT_MIB = 110
GROWTH_LIMIT_MIB = 16


def run(bench: Bench) -> Iterator[str]:
    samples = {}
    for megabytes in bench.memory_mb:
        root = bench.instance(megabytes)
        site = Site.create(bench.directory / f"site-memory-{megabytes}", root)
        os.sync()
        say(f"backup of {megabytes} MB")
        samples[megabytes] = site.backup()
        shutil.rmtree(site.home)
        if megabytes != bench.size_mb:
            shutil.rmtree(root)
    yield "One backup of each size:"
    yield table(HEADINGS, [measured(f"{size} MB", sample) for size, sample in samples.items()])
    peaks = [sample.peak_bytes / MEBIBYTE for sample in samples.values()]
    smallest, largest = min(samples), max(samples)
    growth = (samples[largest].peak_bytes - samples[smallest].peak_bytes) / MEBIBYTE
    targets = (
        Target("peak memory at any size", max(peaks), PEAK_LIMIT_MIB, " MiB"),
        Target(f"growth from {smallest} to {largest} MB", growth, GROWTH_LIMIT_MIB, " MiB"),
    )
    yield "\n".join(f"- {target}" for target in targets)
