"""Roll back a restore: bring the instance back to the state before it, from its safety backup, and verify that."""

import logging
import shutil
from pathlib import Path

from backups.archive.manifest.document import Manifest
from backups.archive.tar.read import unpack
from backups.components import ApplyContext, apply_archived, equals_archive
from backups.errors import BackupError, ComponentError
from backups.instances import Instance
from backups.instances.site_paths import live_components_at
from backups.lib import audit
from backups.models import RestoreExecution
from backups.runs.finish import message_of
from backups.runs.progress import Monitor
from backups.service.archives.open import open_archive
from backups.service.archives.verify import manifest_of_file
from backups.service.restore.ending.finish import warn
from backups.service.restore.safety import safety_archive
from backups.service.restore.staging.select import absent_parts
from destinations.lib.operator_error import OperatorError, sentences

Stage, State, Status = RestoreExecution.Stage, RestoreExecution.State, RestoreExecution.Status
ALL_VERIFIED = "All components had been restored and verified. Restart the service."


def roll_back(
    restore: RestoreExecution, instance: Instance, monitor: Monitor, directory: Path, error: BaseException
) -> None:
    """Apply and verify the safety backup for each component that `restore` touched, because of `error`.

    The last touched comes first. Raises BackupError with the next step when that fails for one of them.
    """
    try:
        monitor.stage(Stage.ROLLING_BACK)
        # the workspace has room for one of both
        shutil.rmtree(directory / "staged", ignore_errors=True)
        archive = safety_archive(restore, directory)
        manifest = manifest_of_file(archive)
        # what was not touched may have changed since, and stays
        wanted = {entry.file for name in restore.touched for entry in manifest.entries_of(name)}
        staged = directory / "rollback"
        with open_archive(archive, directory) as stream:
            unpack(stream, staged, names=wanted)
        context = ApplyContext(staged, monitor.lock_timeout, monitor.advance)
        failures: list[Exception] = []
        for name, path in reversed(restore.touched.items()):
            try:
                warn(restore, _roll_back_one(restore, instance, name, path, manifest, context))
            except Exception as failed:  # raised below, once the others are rolled back
                failures.append(failed)
            else:
                _set_state(restore, name, State.ROLLED_BACK)
        if failures:
            raise failures[0]
    except Exception as failure:  # whatever it is, the message has to say what the data is now
        if not isinstance(failure, OperatorError | OSError):
            audit.crashed("restore.rollback-crashed", failure, restore=restore.pk)
        raise rollback_failed(restore, error, failure) from failure
    audit.log("restore.rolled-back", restore=restore.pk, instance=restore.instance)


def rollback_failed(restore: RestoreExecution, error: BaseException, failure: Exception) -> BackupError:
    """Log that the rollback which `error` made necessary failed with `failure`, and return the error to raise."""
    audit.log("restore.rollback-failed", logging.CRITICAL, restore=restore.pk, instance=restore.instance, error=failure)
    # the text of an unexpected error may hold anything, so `message_of` gives its type only
    reason = str(failure) if isinstance(failure, OSError) else message_of(failure)
    return BackupError(
        sentences(f"The restore failed: {message_of(error)}", f"Rolling back failed too: {reason}"),
        hint="Stop the service, then undo this restore on its page or by "
        f"'manage.py restore --undo {restore.pk} --confirm'.",
    )


def _roll_back_one(
    restore: RestoreExecution, instance: Instance, name: str, path: str, manifest: Manifest, context: ApplyContext
) -> list[str]:
    """Roll back the component `name`, which was restored to `path`; return warnings."""
    (component,) = live_components_at(instance, {name: path})
    entries, absent = manifest.entries_of(component.name), absent_parts(manifest, component.name)
    if not entries and not absent:
        raise ComponentError(f"The safety backup has no entry for {component.name}.")
    notes: list[str] = []
    # what is as it was is not replaced: what the service writes into it meanwhile stays
    if not equals_archive(component, entries, absent, context):
        # until it is verified, what it holds is not known
        _set_state(restore, component.name, State.APPLYING)
        apply_archived(component, entries, absent, context)
        notes = component.verify(entries, context) if entries else []
        if not equals_archive(component, entries, absent, context) and not component.was_changed():
            raise ComponentError(f"{component.name} is not what it was before the restore.")
    component.remove_drafts()
    return notes


def _set_state(restore: RestoreExecution, component: str, state: str) -> None:
    outcome = {
        name: note | {"state": state} if note["component"] == component else note
        for name, note in restore.outcome.items()
    }
    restore.update_running(outcome=outcome)


def aftermath(restore: RestoreExecution) -> str:
    """Return in sentences what the data of the instance is after a restore that did not complete."""
    states = {name: note["state"] for name, note in restore.outcome.items()}
    if not restore.touched:
        rolled_back = State.ROLLED_BACK in states.values()
        return "What it had changed was rolled back." if rolled_back else "Nothing was changed."
    if restore.is_verified:
        return ALL_VERIFIED
    meanings = {
        State.RESTORED: "as in the archive",
        State.APPLYING: "unknown (as in the archive or as before)",
    }
    parts = [
        f"{', '.join(names)}: {meaning}"
        for state, meaning in meanings.items()
        if (names := [name for name, found in states.items() if found == state])
    ]
    return sentences(f"State now: {'; '.join(parts)}", "Everything else is as before.")
