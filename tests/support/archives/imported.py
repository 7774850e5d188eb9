"""Imports of what lies at a destination."""

from pathlib import Path
from typing import Any

from backups.models import BackupExecution
from backups.service.catalogue.sync import Imported, import_backups
from destinations.models import BackupDestination
from tests.support.archives.stored import put

PLACE = "app/manual/backup-app-20260331-120000-manual.tar.gz"


def run(destination: BackupDestination, **options: Any) -> Imported:
    return import_backups(destination, by="tests", **options)


def part(destination: BackupDestination, token: str, data: bytes = b"half an archive") -> Path:
    return put(destination, f"{PLACE}.{token}.part", data)


def paths(rows: list[BackupExecution]) -> list[str]:
    return [row.backup_path for row in rows]
