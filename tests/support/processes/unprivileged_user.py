"""Running code of the project as a user without privileges: the tests may run as root, who may read everything."""

import os
import subprocess
import sys
from pathlib import Path

from tests.support.paths import PROJECT
from tests.support.programs import missing

NOBODY = 65534
# read while they may be
SETTINGS = "from django.conf import settings; settings.BACKUP_ROOT\n"
PROGRAM = """
import os, sys
from pathlib import Path
kind, source, folder = sys.argv[1:]
from backups.components import sqlite
from backups.components.base import ExportContext
from backups.components.files.component import FilesComponent
from backups.components.sqlite.component import SQLiteComponent
from backups.errors import BackupError
os.setgroups([]); os.setgid({nobody}); os.setuid({nobody})
component = {{"sqlite": SQLiteComponent, "files": FilesComponent}}[kind]("it", Path(source), member="it.db")
try:
    component.source_bytes()
    export = component.export(ExportContext(Path(folder), 1.0, lambda _: None))
except BackupError as error:
    print(f"{{type(error).__name__}}: {{error.message}} ({{error.hint}})")
else:
    print(sqlite.facts(export.parts[0].path).records if kind == "sqlite" else len(export.parts), "rows")
"""


def as_nobody(tmp_path: Path, kind: str, source: str) -> str:
    """Export one component as the user nobody; return what was exported, or the error."""
    folder = tmp_path / "export-of-nobody"
    folder.mkdir()
    open_way(tmp_path)
    os.chown(folder, NOBODY, NOBODY)
    return run_as_nobody(PROGRAM, kind, source, str(folder))


def open_way(tmp_path: Path) -> None:
    """Let everybody reach `tmp_path`, or skip where the tests cannot become somebody else."""
    if os.geteuid() != 0:
        missing("only root can become another user")
    for parent in [tmp_path, *tmp_path.parents]:
        if parent.stat().st_mode & 0o011 != 0o011:
            parent.chmod(parent.stat().st_mode | 0o011)


def run_as_nobody(program: str, *arguments: str) -> str:
    run = subprocess.run(
        [sys.executable, "-c", SETTINGS + program.format(nobody=NOBODY), *arguments],
        cwd=PROJECT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.stderr == ""
    return run.stdout.strip()
