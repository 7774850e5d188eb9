"""Finishing the import of a process that died: its row gets what the import itself would have recorded."""

import logging

from backups.archive.manifest.document import Manifest
from backups.lib import audit
from backups.models import BackupExecution
from backups.models.run import new_id
from backups.runs.workspace import workspace
from backups.service.archives.fetch import fetch
from backups.service.archives.records.imported import recover_import
from backups.service.archives.trees.listing import keep_archived
from backups.service.drops.find import record_drops_of_adopted
from destinations.lib.operator_error import OperatorError


def finish_import(backup: BackupExecution) -> bool:
    """Record the end of the import, as `recover_import`; of a completed one also its drops and lists."""
    if not recover_import(backup):
        return False
    if backup.status == BackupExecution.Status.COMPLETED:
        record_drops_of_adopted([backup])
        _keep_lists(backup)
    return True


def _keep_lists(backup: BackupExecution) -> None:
    """Keep the lists of the trees; an error is logged, as a drill makes them too."""
    try:
        manifest = Manifest.from_dict(backup.manifest_json)
        if not any(entry.is_tree for entry in manifest.contents):
            return
        with workspace(new_id()) as directory:
            keep_archived(backup, manifest, fetch(backup, directory), directory)
    except (OperatorError, OSError) as error:
        reason = error.message if isinstance(error, OperatorError) else type(error).__name__
        audit.log("backup.list-not-kept", logging.WARNING, backup=backup.pk, error=reason)
