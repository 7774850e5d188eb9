"""Two workers on one database: every queued backup runs, and runs once."""

import re

import pytest

from tests.support.sites.worker_site import Site, eventually
from tests.support.soak import often

pytestmark = pytest.mark.soak
# one worker makes ten a second: fewer would be done before the other one asks for messages
COUNT = often(24)
HOSTS = ("east", "west")
MOST_BATCHES = 5


def run_all(site: Site, count: int) -> list[str]:
    """Queue `count` backups for two workers with folders of their own, as two hosts have, and wait for their ends.

    Which worker gets a message is chance: more backups are queued until both workers have run one.
    """
    names = site.declare(count)
    for host in HOSTS:
        site.worker(BACKUP_WORKSPACE_ROOT=str(site.home / host), LOG_FILE=str(site.home / f"{host}.log"))
    queued: list[str] = []
    for _ in range(MOST_BATCHES):
        queued += site.queue(names)
        eventually(lambda: site.statuses() == ["completed"], within=30 + count)
        if all(claimed(site, host) for host in HOSTS):
            break
    return queued


def claimed(site: Site, host: str) -> list[str]:
    return re.findall(r"backup\.claimed backup=(\S+)", (site.home / f"{host}.log").read_text())


def each_ran_once(site: Site, queued: list[str]) -> None:
    east, west = (claimed(site, host) for host in HOSTS)
    assert sorted(east + west) == sorted(queued), "each is claimed, and none twice"
    assert east, "both workers took part"
    assert west, "both workers took part"
    assert len(site.archives()) == len(queued)
    site.leaves_nothing()


def test_on_sqlite_each_runs_exactly_once(site: Site) -> None:
    each_ran_once(site, run_all(site, COUNT))
