"""Check for half-restored instances, and for ended restores that are not recorded."""

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.core.checks import CheckMessage, Warning

from backups.models import RestoreExecution
from backups.runs.recovery import unrecorded
from backups.service.restore.ending.half_restored import dead_not_rolled_back, not_rolled_back
from destinations.lib.migrated import may_read


def check_half_restored(
    app_configs: Sequence[AppConfig] | None, databases: Sequence[str] | None = None, **_: Any
) -> list[CheckMessage]:
    """W081: a restore failed and was not rolled back, or its process died and it is not recovered yet."""
    # warnings: `migrate` runs these checks, and refuses to run after an error
    if not may_read(RestoreExecution, databases):
        return []
    failed = [
        Warning(
            f"{_left(restore)}: {restore.error_message or restore.status}",
            hint=restore.error_hint or f"See it with: manage.py showrestore {restore.pk[:8]}",
            id="backups.W081",
        )
        for restore in not_rolled_back()
    ]
    dead = [
        Warning(
            f"{_left(restore)}: its process died in stage {restore.stage}.",
            hint="Recover it, on the host of the instance: manage.py tick",
            id="backups.W081",
        )
        for restore in dead_not_rolled_back()
    ]
    return [*failed, *dead]


def check_unrecorded(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    """W082: a restore ended when the database of the site could not be written."""
    return [
        Warning(
            f"Restore {kept['restore']} of {kept['instance']} is {kept['status']}, which is not recorded yet:"
            f" {kept['error_message'] or 'every component is as in the archive.'}",
            hint=f"When the database can be written, run: manage.py tick. Until then it is kept in {path}.",
            id="backups.W082",
        )
        for path, kept in unrecorded.pending_ends().items()
    ]


def _left(restore: RestoreExecution) -> str:
    if restore.is_verified:
        return f"{restore.instance} was restored by {restore.pk}, whose end went wrong"
    return f"{restore.instance} may be half restored by {restore.pk}"
