"""A backup beside what an administrator would use instead: plain, for an age recipient, and with zstd."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from importlib.util import find_spec

from benchmarks import peers
from benchmarks.bench import Bench, say
from benchmarks.measure import Sample, alternate
from benchmarks.peers import RESTIC, TAR
from benchmarks.report import Target, comparison
from benchmarks.site import Site, sealed_site

TITLE = "Backup"
PLAIN, AGE, ZSTD = "backupsite", "backupsite, age recipient", "backupsite, zstd"
# of the wall time of a peer, for the full size
LIMITS = (
    (PLAIN, RESTIC, 0.90),
    (AGE, RESTIC, 0.90),
    (ZSTD, RESTIC, 0.80),
    (PLAIN, TAR, 0.19),
    (AGE, TAR, 0.19),
)
AGE_BESIDE_PLAIN = 1.10
SIZE_BESIDE_RESTIC = 1.0
PEAK_LIMIT_MIB = 110


def run(bench: Bench) -> Iterator[str]:
    root = bench.instance()
    contestants: dict[str, Callable[[], Sample]] = {
        PLAIN: partial(back_up, Site.create(bench.directory / "site-backup", root)),
        AGE: partial(back_up, sealed_site(bench, root)),
    }
    if find_spec("zstandard") is not None:
        site = Site.create(bench.directory / "site-zstd", root, BACKUP_COMPRESSION="zstd")
        contestants[ZSTD] = partial(back_up, site)
    else:
        yield f"{ZSTD} is left out: the package zstandard is not installed."
    yield from peers.missing()
    contestants |= {peer.name: partial(peers.back_up, peer, root, bench) for peer in peers.PEERS if peer.installed}
    samples = alternate(contestants, bench.rounds)
    yield f"{bench.size_mb} MB of accounting data, median of {bench.rounds}:"
    yield comparison(samples, TAR)
    yield "\n".join(f"- {target}" for target in targets(samples))


def targets(samples: Mapping[str, Sample]) -> Iterator[Target]:
    for ours, peer, limit in LIMITS:
        if ours in samples and peer in samples:
            ratio = samples[ours].wall / samples[peer].wall
            yield Target(f"wall time of {ours} beside {peer} (set for the full size)", ratio, limit, "x")
    yield Target(f"{AGE} beside {PLAIN}", samples[AGE].wall / samples[PLAIN].wall, AGE_BESIDE_PLAIN, "x")
    if ZSTD in samples and RESTIC in samples:
        ratio = samples[ZSTD].output_bytes / samples[RESTIC].output_bytes
        yield Target(f"size of {ZSTD} beside the repository of restic", ratio, SIZE_BESIDE_RESTIC, "x")
    peak = max(sample.peak_bytes for name, sample in samples.items() if name in (PLAIN, AGE)) / (1 << 20)
    yield Target("peak memory", peak, PEAK_LIMIT_MIB, " MiB")


def back_up(site: Site) -> Sample:
    say(f"backup in {site.home.name}")
    sample = site.backup()
    site.archive_of(sample).unlink()
    return sample
