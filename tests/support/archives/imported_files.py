"""Imports of archive files."""

from pathlib import Path

from backups.models import BackupExecution
from backups.service.catalogue.import_file import import_archive
from destinations.models import BackupDestination


def take(path: Path, destination: BackupDestination) -> BackupExecution:
    return import_archive(path, destination, by="tests")
