"""Back to the state before a restore, from its safety backup, and the proof that it is that state."""

import logging
import shutil
from collections.abc import Callable
from pathlib import Path

from backups.archive.manifest.document import Manifest
from backups.archive.tar.read import unpack
from backups.components import ApplyContext, Component, is_back, put_back
from backups.errors import BackupError, ComponentError
from backups.instances import Instance
from backups.instances.site_paths import located_components
from backups.lib import audit
from backups.models import RestoreExecution
from backups.runs.finish import message_of
from backups.runs.progress import Monitor
from backups.service.archives.open import opened
from backups.service.archives.verify import manifest_of_file
from backups.service.restore.finish import warn
from backups.service.restore.safety_archive import safety_archive
from backups.service.restore.select import absent_parts
from destinations.lib.operator_error import OperatorError, sentences

Stage, State, Status = RestoreExecution.Stage, RestoreExecution.State, RestoreExecution.Status
ALL_PROVEN = "all components had been restored and proven; restart the service"


def roll_back(
    restore: RestoreExecution, instance: Instance, monitor: Monitor, directory: Path, error: BaseException
) -> None:
    """Bring back every component that `restore` touched. Raises BackupError when that fails, saying what to do."""
    try:
        monitor.stage(Stage.ROLLING_BACK)
        bring_back(restore, instance, directory, lock_timeout=monitor.lock_timeout, checkpoint=monitor.advance)
    except Exception as failure:  # whatever it is, the operator has to hear what the data is now
        if not isinstance(failure, OperatorError | OSError):
            audit.crashed("restore.rollback-crashed", failure, execution=restore.pk)
        raise unfinished(restore, error, failure) from failure
    audit.log("restore.rolled-back", execution=restore.pk, instance=restore.instance)


def unfinished(restore: RestoreExecution, error: BaseException, failure: Exception) -> BackupError:
    """Return what to tell when even the way back failed."""
    audit.log(
        "restore.rollback-failed", logging.CRITICAL, execution=restore.pk, instance=restore.instance, error=failure
    )
    return BackupError(
        sentences(f"The restore failed: {message_of(error)}", f"Rolling back failed too: {_reason(failure)}"),
        hint=f"Stop the service, then run 'manage.py restore --undo {restore.pk} --confirm'.",
    )


def _reason(failure: Exception) -> str:
    """Return what an operator may read: the text of an error that was not foreseen may hold anything."""
    return str(failure) if isinstance(failure, OSError) else message_of(failure)


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
    failures: list[Exception] = []
    for name, path in reversed(restore.touched.items()):
        try:
            (component,) = located_components(instance, {name: path})
            warn(restore, _bring_back(restore, component, manifest, context))
        except Exception as failure:  # raised below, once the others are back
            failures.append(failure)
        else:
            _mark(restore, name, State.ROLLED_BACK)
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


def _bring_back(
    restore: RestoreExecution, component: Component, manifest: Manifest, context: ApplyContext
) -> list[str]:
    """Leave alone what is as it was: what the service wrote into it meanwhile stays."""
    entries, absent = manifest.entries_of(component.name), absent_parts(manifest, component.name)
    if not entries and not absent:
        raise ComponentError(f"the safety backup says nothing of {component.name}")
    notes: list[str] = []
    if not is_back(component, entries, absent, context):
        # until it is proven to be back, what it holds is not known
        _mark(restore, component.name, State.APPLYING)
        put_back(component, entries, absent, context)
        notes = component.prove(entries, context) if entries else []
        if not is_back(component, entries, absent, context) and not component.was_changed():
            raise ComponentError(f"{component.name} is not what it was before the restore")
    component.tidy()
    return notes


def _mark(restore: RestoreExecution, component: str, state: str) -> None:
    outcome = {
        name: note | {"state": state} if note["component"] == component else note
        for name, note in restore.outcome.items()
    }
    restore.kept(outcome=outcome)


def aftermath(restore: RestoreExecution) -> str:
    """Return what a restore that did not complete left of itself: what the data of the instance is now."""
    states = {name: note["state"] for name, note in restore.outcome.items()}
    if not restore.touched:
        return "what it had changed was rolled back" if State.ROLLED_BACK in states.values() else "nothing was changed"
    if restore.is_proven:
        return ALL_PROVEN
    told = [
        (State.RESTORED, "as in the archive"),
        (State.APPLYING, "unknown (as in the archive or as before)"),
    ]
    parts = [
        f"{', '.join(names)}: {meaning}"
        for state, meaning in told
        if (names := [name for name, found in states.items() if found == state])
    ]
    return f"now {'; '.join(parts)}; everything else is as before"
