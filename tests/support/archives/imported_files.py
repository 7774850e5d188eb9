"""Imports of archive files."""

from pathlib import Path

from backups.models import BackupExecution
from backups.service.catalogue.import_file import import_archive
from destinations.models import BackupDestination


def take(path: Path, destination: BackupDestination) -> BackupExecution:
    return import_archive(path, destination, by="tests")


def recorded() -> list[tuple[str, bool]]:
    """Return the status of every row, and whether its archive counts as a good backup."""
    good = set(BackupExecution.objects.good().values_list("pk", flat=True))
    rows = BackupExecution.objects.order_by("created_at", "pk")
    return [(row.status, row.pk in good) for row in rows]
