"""A site of its own with one backup of the demo instance: commands run in it as real processes, without a worker."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.paths import PROJECT
from tests.support.processes.prepared import Prepared

DEMO = PROJECT / "tests" / "data" / "instance"
INSTANCES = """\
[tacacs-hq]
kind = "tacacs"
root = "{root}"
config = "config/tacacs.conf"
"""
PATIENCE_SECONDS = 60
FURNISH = """
import django; django.setup()
from django.core.management import call_command
call_command("adddestination", "nas", "--type", "local")
call_command("backup", "tacacs-hq")
"""


@dataclass(frozen=True)
class Ended:
    """How a command ended, and what it said."""

    code: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        return json.loads(self.out)


class Site:
    """`home` is its BACKUPSITE_HOME, `instance` the root of the service.

    Where the start of a command is the point, `popen` is ``subprocess.Popen``.
    """

    popen: "type[subprocess.Popen[str]]" = Prepared

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home, self.instance = folder / "home", folder / "tacacs"

    def declare(self, more: str = "") -> None:
        self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        (self.home / "instances.toml").write_text(INSTANCES.format(root=self.instance) + more)

    @property
    def backup(self) -> Path:
        """The archive of the one backup."""
        (archive,) = (self.home / "backups").rglob("backup-*-manual.tar.gz")
        return archive

    def environment(self, **more: str) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(PROJECT),
            "PYTHONWARNINGS": "error",
            "DJANGO_SETTINGS_MODULE": "backupsite.settings",
            "BACKUPSITE_HOME": str(self.home),
            "BACKUP_LOCK_TIMEOUT": "1",
        } | more

    def start(self, *arguments: str, **more: str) -> "subprocess.Popen[str]":
        return self.popen(
            [sys.executable, *arguments], cwd=PROJECT, env=self.environment(**more), stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def run(self, *arguments: str, **more: str) -> Ended:
        """Run one command of manage.py to its end."""
        process = self.start("manage.py", *arguments, **more)
        out, err = process.communicate(timeout=PATIENCE_SECONDS)
        return Ended(process.returncode, out, err)


def furnished(folder: Path, migrated_database: Path) -> Site:
    """Return a site with tables, a destination and one backup."""
    site = Site(folder)
    shutil.copytree(DEMO, site.instance)
    site.declare()
    (site.home / "backups").mkdir(mode=0o700)
    shutil.copy(migrated_database, site.home / "backupsite.sqlite3")
    process = site.start("-c", FURNISH)
    out, err = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 0, out + err
    return site


def copied(template: Site, folder: Path) -> Site:
    """Return another site with the same content, in less time than it takes to make one."""
    shutil.copytree(template.folder, folder, dirs_exist_ok=True)
    site = Site(folder)
    site.declare()
    return site
