"""A service whose tree holds places of the site."""

import os
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

from pytest_django import Settings

from backups.models import BackupExecution
from backups.service.backup.run import run_backup
from backups.service.backup.start import start_backup
from destinations.models import BackupDestination
from tests.support.databases.sqlite_files import make_database
from tests.support.restores.instance_restores import Tree, sha256, tree

HOST = """\
[host]
kind = "generic"
root = "{root}"
[host.components.all]
kind = "files"
path = "{path}"
[other]
kind = "generic"
root = "{other}"
[other.components.orders]
kind = "sqlite"
path = "orders.db"
"""


class Host:
    """A service whose tree holds places of the site, and the site beside it."""

    def __init__(self, root: Path, declare: Callable[[str], None], settings: Settings) -> None:
        self.root, self.settings, self._declare = root, settings, declare
        self.archives = root.parent / "home" / "backups"
        self.other = root.parent / "other"
        self.other.mkdir()
        make_database(self.other / "orders.db", rows=20)
        (root / "app").mkdir(parents=True)
        (root / "app" / "data").write_bytes(os.urandom(50_000))
        (root / "app" / "link").symlink_to("data")
        (root / "var").mkdir()
        (root / "var").chmod(0o750)
        (root / "var" / "state").write_text("one")
        self.declare(root.parent, root.name)

    def declare(self, root: Path, path: str) -> None:
        self._declare(HOST.format(root=root, path=path, other=self.other))

    def keep_archives_in(self, folder: Path) -> None:
        """Keep them there from now on, those that are there already too."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if (self.archives / "nas").exists():
            shutil.copytree(self.archives / "nas", folder / "nas", dirs_exist_ok=True)
        self.archives = self.settings.BACKUP_ROOT = folder

    def back_up(self, instance: str = "host") -> BackupExecution:
        found = BackupDestination.objects.filter(name="nas").first()
        if found is None:
            found = BackupDestination(name="nas", type="local", created_by="tests")
            found.configure({})
            found.save()
        return run_backup(start_backup(instance, found, by="tests").pk)

    def stored(self) -> dict[str, str]:
        """Return every file among the archives with the digest of its bytes."""
        return {str(path): sha256(path) for path in sorted(self.archives.rglob("*")) if path.is_file()}

    def service(self) -> Tree:
        """Return what is the service's own in the tree."""
        return {name: about for name, about in tree(self.root).items() if name.split("/")[0] in ("app", "var", "new")
                and not name.startswith("var/backups")}  # fmt: skip

    def work(self) -> None:
        """Do what a day does: something changes, something comes, something goes."""
        (self.root / "app" / "data").write_text("changed")
        (self.root / "app" / "link").unlink()
        (self.root / "new").write_text("a day of new work")
        (self.root / "var").chmod(0o700)


def members(backup: BackupExecution, folder: Path) -> set[str]:
    """Return the names in the nested tar of the tree."""
    folder.mkdir()
    with tarfile.open(backup.destination.open().folder() / backup.backup_path) as archive:
        archive.extract("all.tar", folder, filter="data")
    with tarfile.open(folder / "all.tar") as nested:
        return set(nested.getnames())
