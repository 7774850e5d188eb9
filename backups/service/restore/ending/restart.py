"""The mark that a restored service has to be restarted; it stays until the restore is acknowledged."""

import json
import os
from typing import Any

from django.utils import timezone

from backups.errors import BackupError
from backups.instances import Instance, get_instance
from backups.lib import audit
from backups.lib.filesystem.atomic import make_parents
from backups.models import InstanceState, RestoreExecution

MARKER = "restart-required.json"


def require(restore: RestoreExecution, instance: Instance) -> None:
    """Set the mark in the database, and as a file for the service and its supervisor. Raises BackupError."""
    now = timezone.now()
    values = {"restart_required_since": now, "restart_required_by": restore.pk}
    InstanceState.objects.update_or_create(instance=instance.name, defaults=values)
    write_marker(instance, {"instance": instance.name, "restore": restore.pk, "since": now.isoformat()})
    audit.log("restore.restart-required", restore=restore.pk, instance=instance.name)


def write_marker(instance: Instance, content: dict[str, Any]) -> None:
    """Replace the marker file atomically: its readers never see half of it. Raises BackupError."""
    path = instance.state / MARKER
    draft = path.with_name(f".{MARKER}.part")
    try:
        make_parents(path, None)
        draft.write_text(json.dumps(content) + "\n")
        draft.chmod(0o644)
        os.replace(draft, path)  # noqa: PTH105
    except OSError as error:
        raise BackupError(
            f"{path} cannot be written: {error.strerror}.", hint="Set `state` of the instance."
        ) from error


def acknowledge(restore: RestoreExecution, *, by: audit.Actor) -> None:
    """Record that a person found the restore good: the safety backup is unpinned, the mark is removed.

    Acknowledging a completed undo acknowledges the restore that it undid, too.

    Raises BackupError when the restore is still running or the marker file cannot be removed.
    """
    if restore.is_active:
        raise BackupError(f"Restore {restore.pk} is still {restore.status}.", hint="Wait for its end.")
    # a later restore of the instance may have set the mark anew: then it stays
    state = InstanceState.objects.filter(instance=restore.instance, restart_required_by=restore.pk)
    if state.exists():
        path = get_instance(restore.instance).state / MARKER
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise BackupError(f"{path} cannot be removed: {error.strerror}.", hint="Remove it by hand.") from error
        state.update(restart_required_since=None, restart_required_by="")
    _acknowledge(restore, by)
    if restore.undo_of is not None and restore.status == restore.Status.COMPLETED:
        # what was undone has no effect any more that could be judged
        _acknowledge(restore.undo_of, by)
    audit.log("restore.acknowledged", restore=restore.pk, instance=restore.instance, by=audit.name_of(by))
    audit.note(by, restore, "Acknowledged: the service was restarted and the restore is good.")


def _acknowledge(restore: RestoreExecution, by: audit.Actor) -> None:
    RestoreExecution.objects.filter(pk=restore.pk, acknowledged_at=None).update(
        acknowledged_at=timezone.now(), acknowledged_by=audit.name_of(by)
    )
    safety = restore.safety_backup
    # a person may have pinned it for another reason since
    if safety is not None and restore.pk in safety.pin_reason:
        safety.transition(safety.Status.COMPLETED, pinned=False, pin_reason="")
