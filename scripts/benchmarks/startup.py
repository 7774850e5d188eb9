"""A backup of the small demo instance: what it takes before there is anything to copy."""

import shutil
from collections.abc import Iterator
from functools import partial

from benchmarks.bench import Bench, say
from benchmarks.dataset import DEMO
from benchmarks.measure import alternate
from benchmarks.report import HEADINGS, Target, measured, table
from benchmarks.site import Site

TITLE = "Start-up"
WALL_LIMIT = 0.45
READING = ("listbackups", "listdestinations")


def run(bench: Bench) -> Iterator[str]:
    # a copy: opening the databases of a checkout would leave files beside them
    root = bench.directory / "instance-demo"
    shutil.copytree(DEMO, root)
    site = Site.create(bench.directory / "site-startup", root)
    say("backup of the demo instance, and commands that read")
    contestants = {"backup": site.backup} | {name: partial(site.command, name) for name in READING}
    samples = alternate(contestants, bench.rounds)
    yield f"The demo instance, whole commands, median of {bench.rounds}:"
    yield table(HEADINGS, [measured(f"`manage.py {name}`", sample) for name, sample in samples.items()])
    yield f"- {Target('wall time of the backup in all', samples['backup'].wall, WALL_LIMIT, ' s')}"
