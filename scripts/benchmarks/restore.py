"""A restore into live data, safety backup included, beside `tar xz` and `tar cz` of the same data; and a drill."""

import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from benchmarks import peers
from benchmarks.bench import Bench, say
from benchmarks.measure import Sample, alternate, shell
from benchmarks.peers import BY_NAME, ENVIRONMENT, PEERS, Peer
from benchmarks.report import HEADINGS, Target, comparison, measured, table
from benchmarks.site import Site, sealed_site

TITLE = "Restore"
PLAIN, AGE = "backupsite", "backupsite, age identity"
TAR, DRILL = "`tar xz` + `tar cz`", "`manage.py drill`"
WALL_LIMIT = 0.37
AGE_BESIDE_PLAIN = 1.10
DRILL_LIMIT_S = 3.8
# the state before is packed, as our safety backup does, and then the archive is unpacked
TAR_SCRIPT = BY_NAME[peers.TAR].backup.replace("archive", "before") + "\n" + BY_NAME[peers.TAR].restore


def run(bench: Bench) -> Iterator[str]:
    root = bench.instance()
    plain = Site.create(bench.directory / "site-restore", root)
    sealed = sealed_site(bench, root)
    plain_id, sealed_id = plain.backup_id(), sealed.backup_id()
    contestants: dict[str, Callable[[], Sample]] = {
        PLAIN: partial(_ours, plain, plain_id),
        AGE: partial(_ours, sealed, sealed_id),
        TAR: partial(_peer, BY_NAME[peers.TAR], TAR_SCRIPT, root, bench),
    }
    contestants |= {
        f"{peer.name.partition(',')[0].split()[0]} restore`, no safety backup": partial(
            _peer, peer, peer.restore, root, bench
        )
        for peer in PEERS
        if peer.installed and peer.restore and peer.name != peers.TAR
    }
    samples = alternate(contestants, bench.rounds)
    yield f"{bench.size_mb} MB of accounting data, from archive to proven live data, median of {bench.rounds}:"
    yield comparison(samples, TAR)
    ratio = samples[PLAIN].wall / samples[TAR].wall
    yield f"- {Target(f'wall time beside {TAR} (set for the full size)', ratio, WALL_LIMIT, 'x')}"
    ratio = samples[AGE].wall / samples[PLAIN].wall
    yield f"- {Target('wall time with an age identity beside the plain one', ratio, AGE_BESIDE_PLAIN, 'x')}"
    drill = alternate({DRILL: partial(plain.command, "drill", plain_id, "--json")}, bench.rounds)[DRILL]
    yield f"A trial restore with the full integrity check, median of {bench.rounds}:"
    yield table(HEADINGS, [measured(DRILL, drill)])
    yield f"- {Target('wall time of a drill (set for the full size)', drill.wall, DRILL_LIMIT_S, ' s')}"


def _ours(site: Site, archive_id: str) -> Sample:
    say(f"restore in {site.home.name}")
    sample = site.restore(archive_id)
    shutil.rmtree(site.safety_backups)
    return sample


def _peer(peer: Peer, script: str, root: Path, bench: Bench) -> Sample:
    """Measure `script` after a backup by `peer`, which is not in the figure."""
    say(f"restore by {peer.program}")
    target = bench.scratch("peer")
    peers.prepare(peer, root, target)
    shell(ENVIRONMENT + peer.backup, root, target)
    sample = shell(ENVIRONMENT + script, root, target)
    shutil.rmtree(target)
    return sample
