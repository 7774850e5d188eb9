"""The safety backup: the state of an instance right before a restore, kept until the restore is acknowledged."""

from collections.abc import Callable
from pathlib import Path

from django.conf import settings

from backups.archive.tar.read import verify_members
from backups.errors import BackupError, Cancelled, Interrupted, TimedOut
from backups.instances import Instance
from backups.models import BackupExecution, RestoreExecution
from backups.runs.progress import Monitor
from backups.service.archives.fetch import fetch
from backups.service.archives.open import open_archive
from backups.service.backup.run import make_safety_backup
from backups.service.restore.staging.stage import Staged
from destinations.exceptions import DestinationError
from destinations.lib.operator_error import OperatorError
from destinations.models import BackupDestination

# of the folder in the workspace, and of a destination that is created for want of any
NAME = "safety"


def take_safety_backup(
    restore: RestoreExecution, instance: Instance, staged: Staged, monitor: Monitor, directory: Path
) -> None:
    """Back up `instance` as it is, sound or damaged, verify that backup and pin it for `restore`.

    Raises BackupError when it does not complete and verify; the restore stops there.
    """
    try:
        safety = make_safety_backup(
            instance.name,
            safety_destination(restore),
            by=restore.triggered_by,
            comment=f"before restore {restore.pk}",
            pin_reason=f"safety backup of restore {restore.pk}, until that is acknowledged",
            parts=staged.live,
            live=staged.live_configuration,
            within=monitor,
        )
        safety.refresh_from_db()
        # it stays in the workspace: a rollback must not depend on the destination
        archive = _fetch_into(safety, directory, lambda _: monitor.advance(0))
        with open_archive(archive, directory) as stream:
            verify_members(stream, lambda _: monitor.advance(0))
    except (Cancelled, Interrupted, TimedOut):
        raise
    except OperatorError as error:
        raise BackupError(
            f"The safety backup failed: {error.message}",
            hint=error.hint or "Correct that, then restore again.",
        ) from error
    if not restore.transition(restore.Status.RUNNING, safety_backup=safety):
        raise BackupError("The restore is not marked as running any more.", hint="Its page says what ended it.")


def safety_destination(restore: RestoreExecution) -> BackupDestination:
    """Return the destination of the safety backup: the configured one, a local one, the archive's own, or a new one."""
    enabled = BackupDestination.objects.enabled()
    if name := settings.BACKUP_SAFETY_DESTINATION:
        if (configured := enabled.filter(name=name).first()) is None:
            raise BackupError(f"BACKUP_SAFETY_DESTINATION names {name}, which is not an enabled destination.")
        return configured
    if local := list(enabled.filter(type="local").order_by("created_at")):
        # the disk of the first one may be what was lost, and the archive then came from another copy
        return next((one for one in local if _answers(one)), local[0])
    # it answered a moment ago, when the archive was fetched
    if restore.execution is not None and restore.execution.destination.enabled:
        return restore.execution.destination
    if (first := enabled.first()) is not None:
        return first
    # a site where only an archive survived has no destination yet
    if BackupDestination.objects.filter(name=NAME).exists():
        raise BackupError(
            "No destination for the safety backup is enabled.", hint=f"Enable {NAME}, or another destination."
        )
    settings.BACKUP_ROOT.mkdir(mode=0o700, parents=True, exist_ok=True)
    destination = BackupDestination(name=NAME, type="local", created_by="restore")
    destination.configure({})
    destination.save()
    return destination


def _answers(destination: BackupDestination) -> bool:
    try:
        with destination.open() as opened:
            opened.require_reachable()
    except DestinationError:
        return False
    return True


def safety_archive(restore: RestoreExecution, directory: Path) -> Path:
    """Return the archive of the state before `restore`: the one in the workspace `directory`, else downloaded again.

    Raises OperatorError.
    """
    safety = restore.safety_backup
    if safety is None:
        raise BackupError(f"Restore {restore.pk} has no safety backup.")
    kept = directory / NAME / safety.backup_filename
    return kept if kept.exists() else _fetch_into(safety, directory, lambda _: None)


def _fetch_into(safety: BackupExecution, directory: Path, progress: Callable[[int], None]) -> Path:
    folder = directory / NAME
    folder.mkdir(mode=0o700)
    return fetch(safety, folder, progress=progress)
