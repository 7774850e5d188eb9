"""A restore into live data, safety backup included, beside `tar xz` and `tar cz` of the same data."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

from benchmarks.bench import Bench, say
from benchmarks.measure import Sample, alternate, shell
from benchmarks.report import HEADINGS, Target, comparison, measured, table
from benchmarks.site import INSTANCE, Site

TITLE = "Restore"
OURS, TAR = "backupsite", "`tar xz` + `tar cz`"
WALL_LIMIT = 0.5
PEAK_LIMIT_MIB = 160
# the state before is packed, as our safety backup does, and then the archive is unpacked
TAR_SCRIPT = """
tar -cz -C "$1" . > "$2/before.tar.gz"; sync "$2/before.tar.gz"
mkdir "$2/unpacked"; tar -xz -C "$2/unpacked" -f "$3"; sync -f "$2"
"""


def run(bench: Bench) -> Iterator[str]:
    root = bench.instance()
    site, archive_id, archive = _site_with_backup(bench, root, "site-restore")
    samples = alternate(
        {OURS: lambda: _ours(site, archive_id), TAR: lambda: _by_hand(root, archive, bench)}, bench.rounds
    )
    yield f"{bench.size_mb} MB of accounting data, from archive to proven live data, median of {bench.rounds}:"
    yield comparison(samples, TAR)
    ratio = samples[OURS].wall / samples[TAR].wall
    yield f"- {Target('wall time beside `tar xz` + `tar cz` (set for 500 MB)', ratio, WALL_LIMIT, 'x')}"
    rows = {f"{size} MB": _sized(bench, size) for size in bench.memory_mb}
    yield "One restore of each size:"
    yield table(HEADINGS, [measured(name, sample) for name, sample in rows.items()])
    peak = max(sample.peak_bytes for sample in rows.values()) / (1 << 20)
    yield f"- {Target('peak memory at any size', peak, PEAK_LIMIT_MIB, ' MiB')}"


def _site_with_backup(bench: Bench, root: Path, name: str) -> tuple[Site, str, Path]:
    site = Site.create(bench.directory / name, root)
    backup = site.backup()
    return site, str(json.loads(backup.output)["id"]), site.archive_of(backup)


def _sized(bench: Bench, size: int) -> Sample:
    root = bench.instance(size)
    site, archive_id, _ = _site_with_backup(bench, root, f"site-restore-{size}")
    sample = _ours(site, archive_id)
    shutil.rmtree(site.home)
    return sample


def _ours(site: Site, archive_id: str) -> Sample:
    say(OURS)
    sample = site.command("restore", archive_id, "--instance", INSTANCE, "--confirm", "--json")
    shutil.rmtree(site.home / "backups" / "bench" / INSTANCE / "safety")
    return sample


def _by_hand(root: Path, archive: Path, bench: Bench) -> Sample:
    say(TAR)
    target = bench.scratch("by-hand")
    sample = shell(TAR_SCRIPT, root, target, archive)
    shutil.rmtree(target)
    return sample
