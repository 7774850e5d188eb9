"""A site of our own in a temporary home, driven through the real commands."""

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.bench import Bench
from benchmarks.measure import BenchmarkError, Sample, run

MANAGE = Path(__file__).resolve().parents[2] / "manage.py"
INSTANCE = "bench"
DESTINATION = "bench"
INSTANCES_FILE = """\
[{name}]
kind = "tacacs"
root = {root}
config = "config/tacacs.conf"
"""


@dataclass(frozen=True, slots=True)
class Site:
    """`home` is its BACKUPSITE_HOME; `settings` are further variables of its environment."""

    home: Path
    settings: Mapping[str, str]

    @classmethod
    def create(cls, home: Path, instance_root: Path, *, instances: str = INSTANCES_FILE, **settings: str) -> "Site":
        """Make a site with one instance, INSTANCE, whose files lie in `instance_root`, and one local destination."""
        home.mkdir(mode=0o700)
        (home / "backups").mkdir(mode=0o700)
        text = instances.format(name=INSTANCE, root=json.dumps(str(instance_root)))
        (home / "instances.toml").write_text(text)
        site = cls(home, settings)
        site.command("migrate", "--verbosity", "0")
        site.command("adddestination", DESTINATION, "--type", "local")
        return site

    def command(self, *words: str | Path) -> Sample:
        """Run a management command. Raises BenchmarkError when it fails."""
        return self.python(MANAGE, *words)

    def python(self, *words: str | Path) -> Sample:
        """Run a Python program in the environment of the site. Raises BenchmarkError when it fails."""
        return run([sys.executable, *words], env=self.environment())

    def backup(self) -> Sample:
        """Back up INSTANCE; what it printed is in `output`, the size of its archive in `output_bytes`."""
        sample = self.command("backup", INSTANCE, "--json")
        result = json.loads(sample.output)
        if result["status"] != "completed":
            raise BenchmarkError(f"the backup is {result['status']}: {result['error_message']}")
        return replace(sample, output_bytes=result["compressed_size_bytes"])

    def backup_id(self) -> str:
        """Back up INSTANCE and return the id of the backup."""
        return str(json.loads(self.backup().output)["id"])

    def restore(self, archive_id: str) -> Sample:
        return self.command("restore", archive_id, "--instance", INSTANCE, "--confirm", "--json")

    @property
    def safety_backups(self) -> Path:
        return self.home / "backups" / DESTINATION / INSTANCE / "safety"

    def archive_of(self, backup: Sample) -> Path:
        """Return where the archive of `backup` lies."""
        return self.home / "backups" / DESTINATION / str(json.loads(backup.output)["backup_path"])

    def environment(self) -> dict[str, str]:
        ours = ("BACKUP", "DATABASE_URL", "SECRET_KEY", "LOG_", "DJANGO_")
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
        return inherited | {"BACKUPSITE_HOME": str(self.home)} | dict(self.settings)


def sealed_site(bench: Bench, root: Path, *, instances: str = INSTANCES_FILE) -> Site:
    """Return a new site that encrypts for a recipient and holds the identity too."""
    identity, recipient = _keys(bench, root)
    return Site.create(
        bench.scratch("site-sealed") / "sealed",
        root,
        instances=instances,
        BACKUP_ENCRYPTION_RECIPIENTS=recipient.read_text(),
        BACKUP_ENCRYPTION_IDENTITY_FILE=str(identity),
    )


def _keys(bench: Bench, root: Path) -> tuple[Path, Path]:
    """Return the files of an identity and of its recipient, made at the first call."""
    identity, recipient = bench.directory / "identity.txt", bench.directory / "recipient.txt"
    if not recipient.exists():
        site = Site.create(bench.scratch("site-keys") / "home", root)
        recipient.write_text(json.loads(site.command("createkey", identity, "--json").output)["recipient"])
    return identity, recipient
