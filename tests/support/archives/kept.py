"""A backup that is made once, and lies at its destination again when the next test begins with it."""

import copy
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from django.apps import apps
from django.conf import settings
from django.db import transaction
from django.db.models import Model

from backups.models import BackupExecution
from destinations.models import BackupDestination


@dataclass
class KeptBackup:
    """The rows and the archive of a backup by this process, in `folder`."""

    folder: Path
    rows: list[Model] | None = None

    def again(self, destination: BackupDestination, make: Callable[[], BackupExecution]) -> BackupExecution:
        """Return what `make` returns: the first time as the result of a real backup, then as that has left it."""
        if self.rows is None:
            before = {(type(row), row.pk) for row in _rows()}
            backup = make()
            self.rows = [row for row in _rows() if (type(row), row.pk) not in before]
            shutil.copytree(settings.BACKUP_ROOT, self.folder, dirs_exist_ok=True)
        else:
            shutil.copytree(self.folder, settings.BACKUP_ROOT, dirs_exist_ok=True)
            # constraints are checked at the end: the order of the rows does not matter
            with transaction.atomic():
                for row in copy.deepcopy(self.rows):
                    if hasattr(row, "destination_id"):
                        row.destination_id = destination.pk
                    row.save_base(raw=True, force_insert=True)
        backup = BackupExecution.objects.get()
        destination.record_backup(backup.status, backup.completed_at, stored=True)
        return backup


def _rows() -> list[Model]:
    models = [model for app in ("backups", "destinations") for model in apps.get_app_config(app).get_models()]
    return [row for model in models for row in model._default_manager.all()]
