"""Back to the state before a restore, from its safety backup, and the proof that it is that state."""

import logging
import shutil
from collections.abc import Callable
from pathlib import Path

from backups.archive.errors import ArchiveError
from backups.archive.manifest import Manifest
from backups.archive.reader import unpack
from backups.components import ApplyContext, Component, is_back, located, put_back
from backups.errors import BackupError, ComponentError
from backups.instances import Instance, get_instance
from backups.models import RestoreExecution
from backups.service import audit
from backups.service.finishing import complete, start_again, warn
from backups.service.monitor import Monitor
from backups.service.opening import opened
from backups.service.proof import manifest_of_file
from backups.service.safety_archive import safety_archive
from backups.service.selection import absent_parts
from destinations.exceptions import DestinationError

Stage, State, Status = RestoreExecution.Stage, RestoreExecution.State, RestoreExecution.Status
ALL_PROVEN = "all components had been restored and proven; restart the service"
# from this stage on its service may have been stopped for the restore
STOPPED = (Stage.STOPPING, Stage.APPLYING, Stage.FINISHING, Stage.ROLLING_BACK)


def recover(
    restore: RestoreExecution, instance: Instance, monitor: Monitor, directory: Path, error: BaseException
) -> None:
    """Bring back what `restore` touched and start the service again.

    Raises BackupError when bringing back fails too, saying what to do.
    """
    monitor.protect()
    try:
        if restore.touched:
            roll_back(restore, instance, monitor, directory, error)
    finally:
        # whatever happened: what was stopped for the restore is started again
        start_again(restore, instance)


def roll_back(
    restore: RestoreExecution, instance: Instance, monitor: Monitor, directory: Path, error: BaseException
) -> None:
    """Bring back every component that `restore` touched. Raises BackupError when that fails, saying what to do."""
    monitor.stage(Stage.ROLLING_BACK)
    try:
        bring_back(restore, instance, directory, lock_timeout=monitor.lock_timeout, checkpoint=monitor.advance)
    except (BackupError, ArchiveError, DestinationError, OSError) as failure:
        raise unfinished(restore, error, failure) from failure
    audit.log("restore.rolled-back", execution=restore.pk, instance=restore.instance)


def unfinished(restore: RestoreExecution, error: BaseException, failure: Exception) -> BackupError:
    """Return what to tell when even the way back failed."""
    audit.log(
        "restore.rollback-failed", logging.CRITICAL, execution=restore.pk, instance=restore.instance, error=failure
    )
    why = getattr(error, "message", type(error).__name__)
    return BackupError(
        f"the restore failed ({why}) and rolling back failed too: {getattr(failure, 'message', failure)}",
        hint=f"stop the service, then run: manage.py restore --undo {restore.pk} --confirm",
    )


def bring_back(
    restore: RestoreExecution,
    instance: Instance,
    directory: Path,
    *,
    lock_timeout: float,
    checkpoint: Callable[[int], None],
) -> None:
    """Apply and prove the safety backup for each component that `restore` touched, last touched first.

    One that cannot be brought back keeps no other from it. Raises the first error.
    """
    manifest, staged = _unpacked(restore, instance, directory)
    context = ApplyContext(staged, lock_timeout, checkpoint)
    failures: list[BackupError | OSError] = []
    for name, path in reversed(restore.touched.items()):
        try:
            (component,) = located(instance, {name: path})
            warn(restore, _bring_back(component, manifest, context))
        except (BackupError, OSError) as failure:
            failures.append(failure)
        else:
            _mark_back(restore, name)
    if failures:
        raise failures[0]


def _unpacked(restore: RestoreExecution, instance: Instance, directory: Path) -> tuple[Manifest, Path]:
    """Unpack what is needed of the safety backup, in place of what was to be restored."""
    shutil.rmtree(directory / "staged", ignore_errors=True)
    archive = safety_archive(restore, directory)
    manifest = manifest_of_file(archive)
    wanted = {entry.file for name in restore.touched for entry in manifest.entries_of(name)}
    staged = directory / "rollback"
    with opened(archive, directory) as stream:
        unpack(stream, staged, names=wanted)
    return manifest, staged


def _bring_back(component: Component, manifest: Manifest, context: ApplyContext) -> list[str]:
    """Leave alone what is as it was: what the service wrote into it meanwhile stays."""
    entries, absent = manifest.entries_of(component.name), absent_parts(manifest, component.name)
    if not entries and not absent:
        raise ComponentError(f"the safety backup says nothing of {component.name}")
    notes: list[str] = []
    if not is_back(component, entries, absent, context):
        put_back(component, entries, absent, context)
        notes = component.prove(entries, context) if entries else []
        if not is_back(component, entries, absent, context) and not component.was_changed():
            raise ComponentError(f"{component.name} is not what it was before the restore")
    component.tidy()
    return notes


def _mark_back(restore: RestoreExecution, component: str) -> None:
    outcome = {
        name: note | {"state": State.ROLLED_BACK} if note["component"] == component else note
        for name, note in restore.outcome.items()
    }
    restore.moved(Status.RUNNING, outcome=outcome)


def aftermath(restore: RestoreExecution) -> str:
    """Return what a restore that did not complete left of itself; nothing where its error has to say so."""
    states = {note["state"] for note in restore.outcome.values()}
    if restore.touched:
        return ""
    return "what it had changed was rolled back" if State.ROLLED_BACK in states else "nothing was changed"


def recover_dead(restore: RestoreExecution, directory: Path) -> str:
    """Bring an instance whose restore died back to the state before it, or to its end if only that was missing.

    Returns what is to be told. Raises BackupError with the next step when that is not possible here and now.
    """
    instance = get_instance(restore.instance)
    with Monitor(restore) as monitor:
        monitor.protect()
        states = {note["state"] for note in restore.outcome.values()}
        if restore.stage == Stage.FINISHING and states == {State.RESTORED}:
            complete(restore, instance)
            return ALL_PROVEN
        stopped = restore.stage in STOPPED
        try:
            if restore.touched:
                roll_back(restore, instance, monitor, directory, BackupError("its process died"))
        finally:
            if stopped:
                start_again(restore, instance)
    return aftermath(restore)
