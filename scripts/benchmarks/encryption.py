"""What encryption adds to a backup and to a restore, in the same run as the plain ones."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

from benchmarks.bench import Bench, say
from benchmarks.measure import Sample, alternate
from benchmarks.report import Target, comparison
from benchmarks.site import INSTANCE, Site

TITLE = "Encryption"
PLAIN, AGE = "plain backup", "backup for an age recipient"
PLAIN_BACK, AGE_BACK = "plain restore", "restore with an age identity"
WALL_LIMIT = 1.10
PEAK_LIMIT_MIB = 160


def run(bench: Bench) -> Iterator[str]:
    root = bench.instance()
    plain = Site.create(bench.directory / "site-plain", root)
    sealed = _sealed_site(bench, root)
    backups = alternate({PLAIN: lambda: _back_up(plain), AGE: lambda: _back_up(sealed)}, bench.rounds)
    yield f"{bench.size_mb} MB of accounting data, median of {bench.rounds}:"
    yield comparison(backups, PLAIN)
    ratio = backups[AGE].wall / backups[PLAIN].wall
    yield f"- {Target('wall time of a backup beside the plain one', ratio, WALL_LIMIT, 'x')}"
    plain_id, sealed_id = _kept(plain), _kept(sealed)
    restores = alternate(
        {PLAIN_BACK: lambda: _restore(plain, plain_id), AGE_BACK: lambda: _restore(sealed, sealed_id)}, bench.rounds
    )
    yield comparison(restores, PLAIN_BACK)
    ratio = restores[AGE_BACK].wall / restores[PLAIN_BACK].wall
    yield f"- {Target('wall time of a restore beside the plain one', ratio, WALL_LIMIT, 'x')}"
    peak = max(backups[AGE].peak_bytes, restores[AGE_BACK].peak_bytes) / (1 << 20)
    yield f"- {Target('peak memory with recipients', peak, PEAK_LIMIT_MIB, ' MiB')}"


def _sealed_site(bench: Bench, root: Path) -> Site:
    """Return a site that encrypts for a recipient and holds the identity too."""
    identity = bench.scratch("keys") / "identity.txt"
    made = Site.create(bench.directory / "site-keys", root).command("createkey", identity, "--json")
    return Site.create(
        bench.directory / "site-sealed",
        root,
        BACKUP_ENCRYPTION_RECIPIENTS=str(json.loads(made.output)["recipient"]),
        BACKUP_ENCRYPTION_IDENTITY_FILE=str(identity),
    )


def _back_up(site: Site) -> Sample:
    say(f"backup in {site.home.name}")
    sample = site.backup()
    site.archive_of(sample).unlink()
    return sample


def _kept(site: Site) -> str:
    return str(json.loads(site.backup().output)["id"])


def _restore(site: Site, archive_id: str) -> Sample:
    say(f"restore in {site.home.name}")
    sample = site.command("restore", archive_id, "--instance", INSTANCE, "--confirm", "--json")
    shutil.rmtree(site.home / "backups" / "bench" / INSTANCE / "safety")
    return sample
