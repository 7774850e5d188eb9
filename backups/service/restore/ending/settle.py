"""Settle a restore: what it changed stays or is rolled back, its service is started again, its end is recorded."""

import shutil
from dataclasses import replace
from pathlib import Path

from django.db import Error as DatabaseProblem

from backups.errors import BackupError, WorkspaceBusy
from backups.instances import Instance, get_instance
from backups.lib.os_signals import defer_signals
from backups.models import RestoreExecution
from backups.runs import finish
from backups.runs.finish import Ending
from backups.runs.progress import Monitor
from backups.runs.queue.ownership import is_on_this_host
from backups.runs.recovery import unrecorded
from backups.runs.recovery.reap import HOST_LOG_HINT
from backups.runs.workspace import workspace
from backups.service.restore.ending.finish import complete, start_service
from backups.service.restore.ending.rollback import ALL_VERIFIED, aftermath, roll_back, rollback_failed
from destinations.lib.operator_error import sentences

Stage, Status = RestoreExecution.Stage, RestoreExecution.Status
RESTART_HINT = "Restart the service, check that it works, then acknowledge the restore."
# in every other stage, one of another release too, the service may have been stopped and has to be started again
BEFORE_STOPPING = (Stage.WAITING, Stage.FETCHING, Stage.VERIFYING, Stage.SAFETY)


def finish_restore(restore: RestoreExecution, instance: Instance, monitor: Monitor, directory: Path) -> None:
    """Complete a restore whose data is verified: from here on nothing stops it, and nothing rolls it back."""
    monitor.protect()
    monitor.stage(Stage.FINISHING)
    ending = Ending(Status.COMPLETED)
    _save_before_service_start(restore, ending)
    complete(restore, instance)
    _record(restore, ending, directory)


def settle(restore: RestoreExecution, directory: Path, error: BaseException) -> None:
    """Roll back what `restore` had changed when `error` ended it, start its service again, and record that.

    None of it needs the database of the site. Raises BackupError when the rollback failed too, Unrecorded when the end
    could not be recorded.
    """
    if restore.status != Status.RUNNING:
        return  # a signal that came later: the end is recorded in the row
    failure = _roll_back_and_start(restore, directory, error) if restore.service_stopped else error
    ending = finish.ending_of(failure, aftermath(restore))
    if restore.stage == Stage.FINISHING:
        ending = replace(ending, hint=RESTART_HINT)
    _record(restore, ending, directory)
    if failure is not error:
        raise failure from error


def _roll_back_and_start(restore: RestoreExecution, directory: Path, error: BaseException) -> BaseException:
    """Roll back and start the service; return `error`, or the error of a rollback that failed too."""
    failure = error
    try:
        instance = get_instance(restore.instance)
    # instances.toml was changed meanwhile: without its paths nothing can be rolled back
    except BackupError as unknown:
        return rollback_failed(restore, error, unknown)
    with Monitor(restore, protected=True) as monitor:
        try:
            if restore.touched and restore.stage != Stage.FINISHING:
                roll_back(restore, instance, monitor, directory, error)
        except BackupError as failed:
            failure = failed
        _save_before_service_start(restore, finish.ending_of(failure, aftermath(restore)))
        # whatever happened: what was stopped for the restore is started again
        start_service(restore, instance)
    return failure


def recover_dead(restore: RestoreExecution, message: str) -> bool:
    """Roll back what a dead restore left half done, on the host of its instance, and record the result.

    `message` begins that of the row. False when another process was first, or is at it.
    """
    where = f"on its page or by 'manage.py restore --undo {restore.pk} --confirm'"
    # the files of the instance and the workspace are on that host
    if not is_on_this_host(restore.worker):
        if not restore.touched:
            return finish.interrupt(restore, sentences(message, "Nothing was changed."), HOST_LOG_HINT)
        half = sentences(message, "It may be half done.", aftermath(restore))
        return finish.interrupt(
            restore, half, f"On host {restore.worker.partition(':')[0]}, undo this restore {where}."
        )
    try:
        # The lock of the workspace decides who recovers. A process that was taken for dead, but lives, holds it itself.
        with workspace(restore.pk) as directory:
            restore.refresh_from_db()
            if restore.status != Status.RUNNING:
                return False
            ended = unrecorded.record(restore) or _recover_here(
                restore, directory, message, f"Undo this restore {where}."
            )
            unrecorded.remove_end(restore.pk)
            return ended
    except WorkspaceBusy:
        return False


def _recover_here(restore: RestoreExecution, directory: Path, message: str, undo: str) -> bool:
    try:
        with defer_signals():
            result = _roll_back_or_complete(restore, directory, message)
        hint = RESTART_HINT if result == ALL_VERIFIED else HOST_LOG_HINT
    except BackupError as error:
        result, hint = sentences(error.message, aftermath(restore)), error.hint or undo
    ending = Ending(Status.INTERRUPTED, sentences(message, result), hint)
    try:
        return finish.record_end(restore, ending)
    except DatabaseProblem as problem:
        # its service runs again: the next reaper must not roll back a second time
        raise unrecorded.save_and_report(restore, ending, problem, done=ALL_VERIFIED) from problem


def _roll_back_or_complete(restore: RestoreExecution, directory: Path, message: str) -> str:
    """Roll back a dead restore, or complete it if all of it was verified already; return the result in sentences.

    Raises BackupError with the next step when that is not possible here and now.
    """
    instance = get_instance(restore.instance)
    with Monitor(restore, protected=True) as monitor:
        # a rollback would undo a restore that is complete
        if restore.is_verified:
            complete(restore, instance)
            return ALL_VERIFIED
        stopped = restore.stage not in BEFORE_STOPPING
        try:
            if restore.touched:
                roll_back(restore, instance, monitor, directory, BackupError("Its process died."))
        finally:
            if stopped:
                text = sentences(message, aftermath(restore))
                _save_before_service_start(restore, Ending(Status.INTERRUPTED, text))
                start_service(restore, instance)
    return aftermath(restore)


def _save_before_service_start(restore: RestoreExecution, ending: Ending) -> None:
    """Save `ending` beside the workspace when the row lacks it.

    A service that runs again writes: if this process is killed after that, the reaper must not roll back once more.
    """
    if restore.unwritten:
        unrecorded.save(restore, ending)


def _record(restore: RestoreExecution, ending: Ending, directory: Path) -> None:
    try:
        finish.record_end(restore, ending)
    except DatabaseProblem:
        restore.status = Status.RUNNING
        # the workspace may be what fills the disk of the database: without it, the second attempt may succeed
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(mode=0o700, exist_ok=True)
        try:
            finish.record_end(restore, ending)
        except DatabaseProblem as problem:
            restore.status = Status.RUNNING
            raise unrecorded.save_and_report(restore, ending, problem, done=ALL_VERIFIED) from problem
    unrecorded.remove_end(restore.pk)
