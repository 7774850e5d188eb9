"""What code outside of this app may call: docs/embedding.md describes each name. Everything else may move."""

from backups.errors import BackupError, InstanceBusy, NotQueued, Unrecorded
from backups.instances import get_instance, instance_names, inventory
from backups.lib.log_handlers import LogFile
from backups.runs.describe import backup_status, describe
from backups.runs.finish import cancel
from backups.runs.queue.deduplication import AlreadyWaiting
from backups.service.archives.extract import extract
from backups.service.archives.fetch import download_backup
from backups.service.archives.records.delete import delete_backup
from backups.service.archives.verify import manifest_of_file
from backups.service.backup.run import backup_now, run_backup
from backups.service.backup.start import start_backup
from backups.service.copying.run import copy_now
from backups.service.copying.start import start_copy
from backups.service.drill.run import (
    drill,
    newest_backup,
    run_drill,
    start_drill,
    verify_archive,
    verify_backup,
)
from backups.service.monitoring.verdict import verdicts
from backups.service.restore.ending.restart import acknowledge
from backups.service.restore.preview.build import preview
from backups.service.restore.request import RestoreRequest
from backups.service.restore.run import run_restore
from backups.service.restore.start import restore_now, start_restore, start_undo
from backups.signals import execution_finished
from backups.worker.tasks import enqueue
from destinations.lib.operator_error import OperatorError

__all__ = [
    "AlreadyWaiting",
    "BackupError",
    "InstanceBusy",
    "LogFile",
    "NotQueued",
    "OperatorError",
    "RestoreRequest",
    "Unrecorded",
    "acknowledge",
    "backup_now",
    "backup_status",
    "cancel",
    "copy_now",
    "delete_backup",
    "describe",
    "download_backup",
    "drill",
    "enqueue",
    "execution_finished",
    "extract",
    "get_instance",
    "instance_names",
    "inventory",
    "manifest_of_file",
    "newest_backup",
    "preview",
    "restore_now",
    "run_backup",
    "run_drill",
    "run_restore",
    "start_backup",
    "start_copy",
    "start_drill",
    "start_restore",
    "start_undo",
    "verdicts",
    "verify_archive",
    "verify_backup",
]
