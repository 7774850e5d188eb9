"""Run a restore: verified before anything is changed, all or nothing, undoable."""

from datetime import datetime
from pathlib import Path
from typing import Any

from django.db.models import Q

from backups.errors import BackupError
from backups.instances import get_instance
from backups.lib.os_signals import defer_signals
from backups.models import RestoreExecution
from backups.runs.execute import execute
from backups.runs.hooks import run_hook
from backups.runs.progress import Monitor
from backups.runs.recovery import unrecorded
from backups.runs.registry import RunKind
from backups.service.archives.signatures import require_signature
from backups.service.restore import confirmation
from backups.service.restore.apply import apply_all
from backups.service.restore.confirmation import require_unchanged
from backups.service.restore.ending import restart
from backups.service.restore.ending.finish import warn
from backups.service.restore.ending.settle import finish_restore, recover_dead, settle
from backups.service.restore.safety import take_safety_backup
from backups.service.restore.staging.preflight import require_room, require_same_files, require_valid
from backups.service.restore.staging.stage import archive_of, stage

Stage, Status = RestoreExecution.Stage, RestoreExecution.Status


class RestoreKind(RunKind[RestoreExecution]):
    model = RestoreExecution
    related = ("execution__destination", "undo_of")
    ending_seconds = 600.0  # long enough to roll back
    retry_hint = confirmation.AGAIN
    rolls_back = True
    saved_fields = ("outcome", "warnings")

    def work(self, run: RestoreExecution, monitor: Monitor, directory: Path) -> None:
        # the claim lets no other restore of the instance begin from here on
        require_unchanged(run.instance, run.changes_seen)
        instance = get_instance(run.instance)
        backup = run.execution
        monitor.stage(Stage.FETCHING, total=(backup.compressed_size_bytes if backup else None) or 0)
        archive, notes = archive_of(run, directory, monitor.advance)
        warn(run, notes)

        monitor.stage(Stage.VERIFYING, total=(backup.size_bytes if backup else None) or 0)
        accepted = require_signature(run, archive)
        warn(run, accepted.notes)
        staged = stage(archive, instance, run, directory, monitor.advance, trusted=accepted.trusted)
        run.transition(Status.RUNNING, archive_instance=staged.manifest.instance_name)
        warn(run, [*staged.notes, *require_valid(staged.findings, forced=run.force_invalid_config)])
        warn(run, require_same_files(staged, instance, run))
        require_room(staged, directory)

        monitor.stage(Stage.SAFETY)
        take_safety_backup(run, instance, staged, monitor, directory)

        # the last step that may fail for want of space while the service still runs
        unrecorded.reserve(run)
        monitor.stage(Stage.STOPPING)
        # set before the hook: one that fails half way may have stopped the service
        run.service_stopped = True
        run_hook("before_restore", instance, run)
        apply_all(run, instance, staged, monitor)
        with defer_signals():
            finish_restore(run, instance, monitor, directory)

    def complete(self, run: RestoreExecution, made: None) -> None:
        """Do nothing: `finish_restore` recorded it already, while no signal could interrupt it."""

    def settle(self, run: RestoreExecution, directory: Path, error: BaseException) -> None:
        settle(run, directory, error)

    def recover(self, run: RestoreExecution, message: str) -> bool:
        return recover_dead(run, message)

    def record_late(self, run: RestoreExecution, facts: dict[str, Any]) -> None:
        try:
            restart.require(run, get_instance(run.instance))
        except BackupError as error:
            facts["warnings"] = [*facts["warnings"], error.message]

    def startable(self, now: datetime) -> Q:
        return confirmation.valid(now)

    def expired(self, now: datetime) -> Q:
        return confirmation.expired(now)

    def is_expired(self, run: RestoreExecution, now: datetime) -> bool:
        return confirmation.is_expired(run, now)

    def expiry_message(self) -> str:
        return confirmation.expiry_message()


RESTORE = RestoreKind()


def run_restore(restore_id: str) -> RestoreExecution:
    """Run a queued restore to its end, as `execute`.

    NotQueued is also raised when it was confirmed too long ago. After any other failure, what was changed is rolled
    back before it is raised. Raises Unrecorded when it has ended and the database could not record that.
    """
    return execute(RESTORE, restore_id)
