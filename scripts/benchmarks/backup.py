"""A backup beside what an administrator would do by hand: `tar cz`, or `sqlite3 .backup` and gzip."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from benchmarks.bench import Bench, say
from benchmarks.measure import Sample, alternate, shell
from benchmarks.report import Target, comparison
from benchmarks.site import Site

TITLE = "Backup"
OURS, TAR, SQLITE = "backupsite", "`tar cz`", "`sqlite3 .backup` + `gzip -6`"
WALL_LIMIT = 0.25
# each ends with an fsync of what it made, as ours does
TAR_SCRIPT = 'tar -cz -C "$1" . > "$2/all.tar.gz"; sync "$2/all.tar.gz"'
SQLITE_SCRIPT = """
for database in "$1"/data/*.db; do
    copy="$2/$(basename "$database")"
    sqlite3 "$database" ".backup '$copy'"
    gzip -6 "$copy"
    sync "$copy.gz"
done
"""


def run(bench: Bench) -> Iterator[str]:
    root = bench.instance()
    site = Site.create(bench.directory / "site-backup", root)
    contestants: dict[str, Callable[[], Sample]] = {
        OURS: lambda: _ours(site),
        TAR: lambda: _by_hand(TAR_SCRIPT, root, bench),
    }
    if shutil.which("sqlite3"):
        contestants[SQLITE] = lambda: _by_hand(SQLITE_SCRIPT, root, bench)
    else:
        yield "The program sqlite3 is not installed, so it is not measured."
    samples = alternate(contestants, bench.rounds)
    yield f"{bench.size_mb} MB of accounting data, median of {bench.rounds}:"
    yield comparison(samples, TAR)
    ratio = samples[OURS].wall / samples[TAR].wall
    yield f"- {Target('wall time beside `tar cz` (set for 500 MB)', ratio, WALL_LIMIT, 'x')}"


def _ours(site: Site) -> Sample:
    say(OURS)
    sample = site.backup()
    site.archive_of(sample).unlink()
    return sample


def _by_hand(script: str, root: Path, bench: Bench) -> Sample:
    say(script.strip().splitlines()[0])
    target = bench.scratch("by-hand")
    sample = shell(script, root, target)
    made = sum(path.stat().st_size for path in target.iterdir())
    shutil.rmtree(target)
    return replace(sample, output_bytes=made)
