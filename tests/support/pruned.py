"""Prunes at a fixed time, and their reasons."""

from typing import Any

from backups.models import BackupExecution
from backups.service.retention.plan import plan_prune
from backups.service.retention.prune import Pruned, prune
from destinations.models import BackupDestination
from tests.support.archives.stored import NOW


def ruled(destination: BackupDestination, **columns: Any) -> BackupDestination:
    for column, value in columns.items():
        setattr(destination, column, value)
    destination.full_clean()
    destination.save()
    return destination


def run(destination: BackupDestination, **options: Any) -> Pruned:
    return prune(destination, by="tests", now=NOW, **options)


def reason(destination: BackupDestination, execution: BackupExecution) -> str:
    entries = plan_prune(destination, NOW).entries
    return next(entry.reason for entry in entries if entry.execution.pk == execution.pk)
