"""Peak memory of backups and restores as the data grows, plain and for an age recipient: it must not."""

import json
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks import measure
from benchmarks.bench import MEGABYTE, Bench, say
from benchmarks.measure import MEBIBYTE, Sample
from benchmarks.report import Target, table
from benchmarks.site import INSTANCES_FILE, Site, sealed_site
from benchmarks.tree import COMPONENT
from benchmarks.tree import INSTANCES_FILE as TREE_INSTANCES_FILE

TITLE = "Memory"
PEAK_LIMIT_MIB = 110
GROWTH_LIMIT_MIB = 16
LARGE_FILES = Path(__file__).with_name("large_files.py")
# the files, the tar that is unpacked and the new tree, and archives
SPACE_FACTOR = 3.3
RUNS = ("backup", "backup, age recipient", "restore", "restore, age identity")


def run(bench: Bench) -> Iterator[str]:
    rows: dict[str, tuple[Sample, ...]] = {}
    for megabytes in bench.memory_mb:
        root = bench.instance(megabytes)
        rows[f"{megabytes:,} MB"] = _runs(bench, root, INSTANCES_FILE)
        if megabytes != bench.size_mb:
            shutil.rmtree(root)
    needed, free = SPACE_FACTOR * bench.large_gb * 1000 * MEGABYTE, shutil.disk_usage(bench.directory).free
    if free < needed:
        yield f"{bench.large_gb} GB are left out: they need {needed / 1e9:.0f} GB of disk, {free / 1e9:.0f} are free."
    elif bench.large_gb:
        root = bench.directory / "large-files"
        say(f"making {bench.large_gb} files of 1 GB")
        measure.run([sys.executable, LARGE_FILES, root / COMPONENT, str(bench.large_gb)])
        rows[f"{bench.large_gb} files of 1 GB"] = _runs(bench, root, TREE_INSTANCES_FILE)
        shutil.rmtree(root)
    yield "One run of each size, peak MiB and seconds of the clock:"
    yield table(("", *RUNS), [[size, *map(_cell, samples)] for size, samples in rows.items()])
    peaks = [[sample.peak_bytes / MEBIBYTE for sample in samples] for samples in rows.values()]
    smallest, *_, largest = peaks
    growth = max(large - small for small, large in zip(smallest, largest, strict=True))
    targets = (
        Target("peak memory at any size", max(map(max, peaks)), PEAK_LIMIT_MIB, " MiB"),
        Target(f"growth from {next(iter(rows))} to {[*rows][-1]}", growth, GROWTH_LIMIT_MIB, " MiB"),
    )
    yield "\n".join(f"- {target}" for target in targets)


def _runs(bench: Bench, root: Path, instances: str) -> tuple[Sample, ...]:
    """Return what RUNS took, of one backup each and of its restore into the unchanged instance."""
    backups, restores = [], []
    plain = Site.create(bench.scratch("site-memory") / "home", root, instances=instances)
    for site in (plain, sealed_site(bench, root, instances=instances)):
        os.sync()
        say(f"backup of {root.name}")
        backups.append(site.backup())
        os.sync()
        say("its restore")
        restores.append(site.restore(str(json.loads(backups[-1].output)["id"])))
        shutil.rmtree(site.home)
    return (*backups, *restores)


def _cell(sample: Sample) -> str:
    return f"{sample.peak_bytes / MEBIBYTE:.0f} MiB, {sample.wall:.1f} s"
