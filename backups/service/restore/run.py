"""Restoring an instance: verified, all or nothing, undoable."""

import logging
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from django.db import transaction
from django.db.models import Q

from backups.errors import BackupError
from backups.instances import Instance, get_instance
from backups.instances.mismatch import mismatches, require_agreement
from backups.lib import audit
from backups.lib.os_signals import undisturbed
from backups.models import BackupExecution, RestoreExecution
from backups.runs.claim import lock_instance
from backups.runs.execute import execute
from backups.runs.hooks import run_hook
from backups.runs.progress import Monitor
from backups.runs.queue.holder import owned_here
from backups.runs.recovery import unrecorded
from backups.runs.recovery.reap_waiting import reap_queued
from backups.runs.registry import RunKind
from backups.service.archives.signatures import require_signature
from backups.service.restore import confirmation, restart
from backups.service.restore.apply import apply_all
from backups.service.restore.confirmation import AGAIN, changes_of, require_none_under_way, require_unchanged
from backups.service.restore.finish import warn
from backups.service.restore.preflight import require_room
from backups.service.restore.request import RestoreRequest
from backups.service.restore.safety import take_safety_backup
from backups.service.restore.settle import finish_restore, recover_dead, settle
from backups.service.restore.stage import Staged, archive_of, stage

Stage, State, Status = RestoreExecution.Stage, RestoreExecution.State, RestoreExecution.Status


def start_restore(request: RestoreRequest, *, by: audit.Actor, run_id: str = "") -> RestoreExecution:
    """Create the queued restore that a person confirmed.

    With a `run_id` it is of this process, which holds the workspace of that id, and no worker takes it.

    Raises BackupError when the instance is unknown, when the archive is gone or another one by now or another restore
    changed the instance since, and InstanceBusy while another one of the instance waits or runs; each is logged.
    """
    instance, execution, source = request.instance, request.execution, request.source
    reap_queued(instance=instance)
    restore = request.row(triggered_by=audit.name_of(by), **owned_here(run_id))
    try:
        get_instance(instance)
        if execution is not None:
            _require_archive(execution, request.archive_sha256)
        with transaction.atomic():
            lock_instance(instance)  # of a form that is sent twice one is taken
            require_none_under_way(instance)
            if request.changes_seen is not None:
                require_unchanged(instance, request.changes_seen)
            restore.changes_seen = changes_of(instance)
            restore.save(force_insert=True)
    except BackupError as error:
        audit.log("restore.refused", logging.WARNING, instance=instance, by=audit.name_of(by), error=error.message)
        if execution is not None:
            audit.note(by, execution, f"Restore refused: {error.message}")
        raise
    audit.log(
        "restore.queued",
        execution=restore.pk,
        instance=instance,
        archive=str(source),
        by=restore.triggered_by,
    )
    what = ", ".join(request.components) or "all"
    audit.note(by, restore, f"Confirmed the restore of {instance} from {source}: {what}.")
    return restore


def start_undo(
    restore: RestoreExecution, *, by: audit.Actor, changes_seen: str | None = None, run_id: str = ""
) -> RestoreExecution:
    """Create the restore that brings back what `restore` replaced. Raises BackupError when there is nothing to undo."""
    safety = state_before(restore)
    request = RestoreRequest(
        source=safety,
        instance=restore.instance,
        archive_sha256=safety.archive_sha256,
        components=list(restore.touched),
        force_invalid_config=True,
        undo_of=restore,
        changes_seen=changes_seen,
    )
    return start_restore(request, by=by, run_id=run_id)


def state_before(restore: RestoreExecution) -> BackupExecution:
    """Return the backup that an undo of `restore` restores. Raises BackupError when there is nothing to undo."""
    if restore.safety_backup is None or not restore.touched:
        raise BackupError(f"restore {restore.pk} changed nothing, so there is nothing to undo")
    if restore.is_active:
        raise BackupError(f"restore {restore.pk} is still {restore.status}", hint="wait for its end")
    return restore.safety_backup


class RestoreKind(RunKind[RestoreExecution]):
    model = RestoreExecution
    related = ("execution__destination", "undo_of")
    ending_seconds = 600.0  # long enough to roll back
    again = AGAIN
    rolls_back = True
    saved_fields = ("outcome", "warnings")

    def work(self, run: RestoreExecution, monitor: Monitor, directory: Path) -> None:
        _run(run, monitor, directory)

    def complete(self, run: RestoreExecution, made: None) -> None:
        """The work recorded it, while nothing could stop it any more: see `finish_restore`."""

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
        return confirmation.end_message()


RESTORE = RestoreKind()


def run_restore(restore_id: str) -> RestoreExecution:
    """Run a queued restore to its end, as `execute`.

    NotQueued is also raised when it was confirmed too long ago. After any other failure what was touched is rolled
    back first. Raises Unrecorded when it has ended and the database could not take that.
    """
    return execute(RESTORE, restore_id)


def _require_archive(execution: BackupExecution, archive_sha256: str) -> None:
    if not execution.has_archive:
        raise BackupError(f"{execution} has no archive any more")
    if execution.archive_sha256 != archive_sha256:
        raise BackupError(f"{execution} is not the archive that was shown", hint="look at the preview again")


def _run(restore: RestoreExecution, monitor: Monitor, directory: Path) -> None:
    # from here on no other restore of the instance can begin
    require_unchanged(restore.instance, restore.changes_seen)
    instance = get_instance(restore.instance)
    size = (restore.execution.compressed_size_bytes if restore.execution else None) or 0
    monitor.stage(Stage.FETCHING, total=size)
    archive = archive_of(restore, directory, monitor.advance)

    monitor.stage(Stage.VERIFYING, total=(restore.execution.size_bytes if restore.execution else None) or 0)
    accepted = require_signature(restore, archive)
    warn(restore, accepted.notes)
    staged = stage(archive, instance, restore, directory, monitor.advance, trusted=accepted.trusted)
    restore.moved(Status.RUNNING, archive_instance=staged.manifest.instance_name)
    warn(restore, [*staged.notes, *require_valid(staged.findings, forced=restore.force_invalid_config)])
    warn(restore, require_right_files(staged, instance, restore))
    require_room(staged, directory)

    monitor.stage(Stage.SAFETY)
    take_safety_backup(restore, instance, staged, monitor, directory)

    unrecorded.reserve(restore)
    monitor.stage(Stage.STOPPING)
    restore.service_stopped = True
    run_hook("before_restore", instance, restore)
    apply_all(restore, instance, staged, monitor)
    with undisturbed():
        finish_restore(restore, instance, monitor, directory)


def require_valid(findings: Sequence[str], *, forced: bool) -> list[str]:
    """Refuse a configuration that the service would not start with, unless the operator forced it; return a note then.

    Raises BackupError.
    """
    text = "; ".join(findings)
    if findings and not forced:
        raise BackupError(
            f"the configuration would not be valid: {text}",
            hint="restore without config, or force it with --force-invalid-config",
        )
    return [f"forced: the configuration is not valid: {text}"] if findings else []


def require_right_files(staged: Staged, instance: Instance, restore: RestoreExecution) -> list[str]:
    """Refuse to restore into a database that the running service does not use; return warnings of the others.

    An undo goes where the restore went. Raises BackupError.
    """
    only = () if restore.undo_of is not None else [step.component.name for step in staged.steps]
    return require_agreement(
        mismatches(instance, staged.live, staged.live_configuration, staged.configuration), only=only
    )
