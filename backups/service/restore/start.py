"""Start a restore: the queued row of what a person confirmed, for a worker or for this process."""

import logging
from collections.abc import Callable

from django.db import transaction

from backups.errors import BackupError
from backups.instances import get_instance
from backups.lib import audit
from backups.models import BackupExecution, RestoreExecution
from backups.runs.claim import lock_instance
from backups.runs.execute import run_here
from backups.runs.queue.ownership import process_owner_fields
from backups.runs.recovery.reap import reap
from backups.runs.recovery.reap_waiting import reap_queued
from backups.service.restore.confirmation import changes_of, require_none_under_way, require_unchanged
from backups.service.restore.request import RestoreRequest
from backups.service.restore.run import RESTORE


def start_restore(request: RestoreRequest, *, by: audit.Actor, run_id: str = "") -> RestoreExecution:
    """Create the queued restore that a person confirmed.

    With a `run_id` it belongs to this process, which holds the workspace of that id, and no worker takes it.

    Raises BackupError when the instance is unknown, when the archive is gone or replaced, or when another restore
    changed the instance since; InstanceBusy while another one of the instance waits or runs. Each refusal is logged.
    """
    instance, backup = request.instance, request.backup
    # a restore whose confirmation expired must not keep this one out
    reap_queued(instance=instance)
    restore = request.row(triggered_by=audit.name_of(by), **process_owner_fields(run_id))
    try:
        if reason := get_instance(instance).service.not_restorable:
            raise BackupError(reason, hint="The steps are in docs/restore.md, The site itself is lost.")
        if backup is not None and not backup.has_archive:
            raise BackupError(f"{backup} has no archive any more.")
        if backup is not None and backup.archive_sha256 != request.archive_sha256:
            raise BackupError(f"{backup} is not the archive that was shown.", hint="Open the preview again.")
        with transaction.atomic():
            # of a form that is sent twice, one is accepted
            lock_instance(instance)
            require_none_under_way(instance)
            if request.changes_seen is not None:
                require_unchanged(instance, request.changes_seen)
            restore.changes_seen = changes_of(instance)
            restore.save(force_insert=True)
    except BackupError as error:
        audit.log("restore.refused", logging.WARNING, instance=instance, by=audit.name_of(by), error=error.message)
        if backup is not None:
            audit.note(by, backup, f"Restore refused: {error.message}")
        raise
    audit.log(
        "restore.queued",
        restore=restore.pk,
        instance=instance,
        archive=str(request.source),
        by=restore.triggered_by,
    )
    what = ", ".join(request.components) or "all"
    audit.note(by, restore, f"Confirmed the restore of {instance} from {request.source}: {what}.")
    return restore


def start_undo(
    restore: RestoreExecution, *, by: audit.Actor, changes_seen: str | None = None, run_id: str = ""
) -> RestoreExecution:
    """Create the restore that undoes `restore`: of what it touched, from its safety backup.

    Raises BackupError when there is nothing to undo.
    """
    safety = state_before(restore)
    request = RestoreRequest(
        source=safety,
        instance=restore.instance,
        archive_sha256=safety.archive_sha256,
        components=list(restore.touched),
        # the state before may have been damaged: it comes back as it was
        force_invalid_config=True,
        undo_of=restore,
        changes_seen=changes_seen,
    )
    return start_restore(request, by=by, run_id=run_id)


def state_before(restore: RestoreExecution) -> BackupExecution:
    """Return the safety backup that an undo of `restore` restores. Raises BackupError when there is nothing to undo."""
    if restore.safety_backup is None or not restore.touched:
        raise BackupError(f"Restore {restore.pk} changed nothing, so there is nothing to undo.")
    if restore.is_active:
        raise BackupError(f"Restore {restore.pk} is still {restore.status}.", hint="Wait for its end.")
    return restore.safety_backup


def restore_now(
    start: Callable[[str], RestoreExecution], instance: str, *, by: audit.Actor, run_id: str = ""
) -> RestoreExecution:
    """Create a restore of `instance` by `start`, which is called with the id of its row, and run it in this process.

    It ends with this process, and no worker takes it. Raises as `start_restore` and `run_restore`; whatever is raised,
    no queued restore stays behind.
    """
    # what a dead restore left half done is rolled back before `start` records the present state of the instance
    reap(instance=instance)
    restore, _ = run_here(RESTORE, start, by=by, run_id=run_id)
    return restore
