"""The state of an instance right before a restore, kept until a person says that the restore was good."""

from pathlib import Path

from django.conf import settings

from backups.archive.tar.read import verify_members
from backups.errors import BackupError, Cancelled, Interrupted, TimedOut
from backups.instances import Instance
from backups.models import BackupExecution, RestoreExecution
from backups.runs.progress import Monitor
from backups.service.archives.open import opened
from backups.service.backup.run_now import back_up_before_restore
from backups.service.restore.safety_archive import NAME, fetch_into
from backups.service.restore.stage import Staged
from destinations.lib.operator_error import OperatorError
from destinations.models import BackupDestination


def take_safety_backup(
    restore: RestoreExecution, instance: Instance, staged: Staged, monitor: Monitor, directory: Path
) -> None:
    """Back up `instance` as it is, sound or damaged, verify that backup and pin it to `restore`.

    Its archive stays in `directory` too: a rollback must not depend on the destination. Raises BackupError when it does
    not complete and verify; the restore stops there.
    """
    try:
        safety = _backed_up(restore, instance, staged, monitor)
        _verify(safety, monitor, directory)
    except (Cancelled, Interrupted, TimedOut):
        raise
    except OperatorError as error:
        raise BackupError(
            f"the safety backup failed: {error.message}",
            hint=error.hint or "correct that, then restore again",
        ) from error
    if not restore.moved(restore.Status.RUNNING, safety_backup=safety):
        raise BackupError("the restore is not marked as running any more", hint="see its page for who ended it")


def _backed_up(restore: RestoreExecution, instance: Instance, staged: Staged, monitor: Monitor) -> BackupExecution:
    return back_up_before_restore(
        instance.name,
        safety_destination(restore),
        by=restore.triggered_by,
        comment=f"before restore {restore.pk}",
        pin_reason=f"safety backup of restore {restore.pk}, until that is acknowledged",
        parts=staged.live,
        within=monitor,
    )


def safety_destination(restore: RestoreExecution) -> BackupDestination:
    """Return where the safety backup goes: the configured one, a local one, the archive's own, or a new local one."""
    enabled = BackupDestination.objects.enabled()
    if name := settings.BACKUP_SAFETY_DESTINATION:
        if (configured := enabled.filter(name=name).first()) is None:
            raise BackupError(f"BACKUP_SAFETY_DESTINATION names {name}, which is not an enabled destination")
        return configured
    if (local := enabled.filter(type="local").order_by("created_at").first()) is not None:
        return local
    if restore.execution is not None and restore.execution.destination.enabled:
        return restore.execution.destination
    return enabled.first() or _made_here()


def _made_here() -> BackupDestination:
    """On a site where only an archive survived there is no destination yet."""
    if BackupDestination.objects.filter(name=NAME).exists():
        raise BackupError("no destination for the safety backup is enabled", hint=f"enable {NAME}, or another one")
    settings.BACKUP_ROOT.mkdir(mode=0o700, parents=True, exist_ok=True)
    destination = BackupDestination(name=NAME, type="local", created_by="restore")
    destination.configure({})
    destination.save()
    return destination


def _verify(safety: BackupExecution, monitor: Monitor, directory: Path) -> None:
    """Read the safety backup back from where it went and hash every member."""
    safety.refresh_from_db()
    archive = fetch_into(safety, directory, lambda _: monitor.advance(0))
    with opened(archive, directory) as stream:
        verify_members(stream, lambda _: monitor.advance(0))
