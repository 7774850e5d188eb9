"""A backup of the small demo instance: what it takes before there is anything to copy."""

import shutil
from collections.abc import Iterator

from benchmarks.bench import Bench, say
from benchmarks.dataset import DEMO
from benchmarks.measure import alternate
from benchmarks.report import HEADINGS, Target, measured, table
from benchmarks.site import Site

TITLE = "Start-up"
WALL_LIMIT = 1.5


def run(bench: Bench) -> Iterator[str]:
    # a copy: opening the databases of a checkout would leave files beside them
    root = bench.directory / "instance-demo"
    shutil.copytree(DEMO, root)
    site = Site.create(bench.directory / "site-startup", root)
    say("backup of the demo instance")
    sample = alternate({"demo": site.backup}, bench.rounds)["demo"]
    yield f"The demo instance, whole command, median of {bench.rounds}:"
    yield table(HEADINGS, [measured("`manage.py backup`", sample)])
    yield f"- {Target('wall time in all', sample.wall, WALL_LIMIT, ' s')}"
