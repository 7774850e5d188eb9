"""The end of a restore: what it changed stays or is taken back, its service is started again, and the row says so."""

import shutil
from dataclasses import replace
from pathlib import Path

from django.db import Error as DatabaseProblem

from backups.errors import BackupError, WorkspaceBusy
from backups.instances import Instance, get_instance
from backups.lib.os_signals import undisturbed
from backups.models import RestoreExecution
from backups.runs import finish
from backups.runs.finish import Ending
from backups.runs.progress import Monitor
from backups.runs.queue.holder import on_this_host
from backups.runs.recovery import unrecorded
from backups.runs.recovery.reap import HINT
from backups.runs.workspace import workspace
from backups.service.restore.finish import complete, start_again
from backups.service.restore.rollback import ALL_PROVEN, aftermath, roll_back, unfinished

Stage, Status = RestoreExecution.Stage, RestoreExecution.Status
RESTART = "restart the service, look whether all is well, then acknowledge the restore"
# from this stage on its service may have been stopped for the restore
STOPPED = (Stage.STOPPING, Stage.APPLYING, Stage.PROVING, Stage.FINISHING, Stage.ROLLING_BACK)


def finish_restore(restore: RestoreExecution, instance: Instance, monitor: Monitor, directory: Path) -> None:
    """The data is proven and stays: from here on nothing stops the run, and nothing is a reason to take it back."""
    monitor.protect()
    monitor.stage(Stage.FINISHING)
    ending = Ending(Status.COMPLETED)
    _save_before_the_start(restore, ending)
    complete(restore, instance)
    _record(restore, ending, directory)


def settle(restore: RestoreExecution, directory: Path, error: BaseException) -> None:
    """Take back what `restore` had changed when `error` ended it, start its service again, and record that.

    None of it needs the database of the site. Raises BackupError when taking back failed too, Unrecorded when the end
    could not be recorded.
    """
    if restore.status != Status.RUNNING:
        return  # a signal that came later: the end stands in the row
    failure: BaseException = error
    if restore.service_stopped:
        failure = _put_right(restore, directory, error)
    ending = finish.ending_of(failure, aftermath(restore))
    if restore.stage == Stage.FINISHING:
        ending = replace(ending, hint=RESTART)
    _record(restore, ending, directory)
    if failure is not error:
        raise failure from error


def _put_right(restore: RestoreExecution, directory: Path, error: BaseException) -> BaseException:
    """Take back what was changed and start the service; return `error`, or what to tell when taking back failed too."""
    failure = error
    try:
        instance = get_instance(restore.instance)
    except BackupError as gone:
        return unfinished(restore, error, gone)
    with Monitor(restore, protected=True) as monitor:
        try:
            if restore.touched and restore.stage != Stage.FINISHING:
                roll_back(restore, instance, monitor, directory, error)
        except BackupError as unfinished_rollback:
            failure = unfinished_rollback
        _save_before_the_start(restore, finish.ending_of(failure, aftermath(restore)))
        # whatever happened: what was stopped for the restore is started again
        start_again(restore, instance)
    return failure


def recover_dead(restore: RestoreExecution, message: str) -> bool:
    """Roll back what a dead restore left half done, where its instance lies, and record what became of it.

    `message` begins that of the row. False when another process was first, or is at it.
    """
    undo = f"run: manage.py restore --undo {restore.pk} --confirm"
    if not on_this_host(restore.worker):
        host = restore.worker.partition(":")[0]
        if not restore.touched:
            return finish.interrupted(restore, f"{message}; nothing was changed", HINT)
        half = f"{message}; it may be half done: {aftermath(restore)}"
        return finish.interrupted(restore, half, f"on host {host} {undo}")
    try:
        # whoever holds its workspace recovers it: the process that is not dead after all, too
        with workspace(restore.pk) as directory:
            restore.refresh_from_db()
            if restore.status != Status.RUNNING:
                return False
            ended = unrecorded.record(restore) or _recover_here(restore, directory, message, undo)
            unrecorded.forget(restore.pk)
            return ended
    except WorkspaceBusy:
        return False


def _recover_here(restore: RestoreExecution, directory: Path, message: str, undo: str) -> bool:
    try:
        with undisturbed():
            told = _bring_to_an_end(restore, directory, message)
        hint = RESTART if told == ALL_PROVEN else HINT
    except BackupError as error:
        told, hint = f"{error.message}; {aftermath(restore)}", error.hint or undo
    ending = Ending(Status.INTERRUPTED, f"{message}; {told}", hint)
    try:
        return finish.recorded(restore, ending)
    except DatabaseProblem as problem:
        # its service runs again: what is back by now must not be brought back a second time by the next reaper
        raise unrecorded.keep(restore, ending, problem, done=ALL_PROVEN) from problem


def _bring_to_an_end(restore: RestoreExecution, directory: Path, reason: str) -> str:
    """Bring the instance of a dead restore back to the state before it, or to its end if only that was missing.

    Returns what is to be told after `reason`. Raises BackupError with the next step when that is not possible here and
    now.
    """
    instance = get_instance(restore.instance)
    with Monitor(restore, protected=True) as monitor:
        if restore.is_proven:
            complete(restore, instance)
            return ALL_PROVEN
        stopped = restore.stage in STOPPED
        try:
            if restore.touched:
                roll_back(restore, instance, monitor, directory, BackupError("its process died"))
        finally:
            if stopped:
                told = f"{reason}; {aftermath(restore)}"
                _save_before_the_start(restore, Ending(Status.INTERRUPTED, told))
                start_again(restore, instance)
    return aftermath(restore)


def _save_before_the_start(restore: RestoreExecution, ending: Ending) -> None:
    """A service that runs again writes: should we be killed, nobody may take back what the row does not say is over."""
    if restore.unwritten:
        unrecorded.save(restore, ending)


def _record(restore: RestoreExecution, ending: Ending, directory: Path) -> None:
    try:
        finish.recorded(restore, ending)
    except DatabaseProblem:
        restore.status = Status.RUNNING
        # the workspace may be what fills its disk
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(mode=0o700, exist_ok=True)
        try:
            finish.recorded(restore, ending)
        except DatabaseProblem as problem:
            restore.status = Status.RUNNING
            raise unrecorded.keep(restore, ending, problem, done=ALL_PROVEN) from problem
    unrecorded.forget(restore.pk)
