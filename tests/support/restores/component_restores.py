"""Restores of named components in one call, and everything an instance holds."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from backups.models import BackupExecution, RestoreExecution
from backups.service.restore.run import run_restore
from tests.support.archives.crafted import SERVER_PLAIN
from tests.support.restores.instance_restores import change, queue, sha256

__all__ = ["SERVER_SHA256", "change", "dump", "restore", "state_of"]

SERVER_SHA256 = sha256(SERVER_PLAIN)


def restore(backup: BackupExecution, *components: str, **options: Any) -> RestoreExecution:
    """Restore `components` of `backup`, all by default, into its instance."""
    return run_restore(queue(backup, components=components, **options).pk)


def dump(path: Path) -> list[str]:
    """Return everything in a database as SQL."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        return list(connection.iterdump())


def state_of(root: Path) -> dict[str, Any]:
    """Return every file below `root`: databases by what is in them, everything else by its bytes."""
    files = (path for path in sorted(root.rglob("*")) if path.is_file())
    return {
        str(path.relative_to(root)): dump(path) if path.suffix == ".db" else path.read_bytes()
        for path in files
        if not path.name.endswith(("-wal", "-shm", "restart-required.json"))
    }
