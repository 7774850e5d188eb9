"""Drills and verifications: an archive is fetched from where it really is and tried out in a scratch place."""

from pathlib import Path

from backups.errors import BackupError
from backups.lib import audit
from backups.models import BackupExecution, DrillExecution, InstanceState
from backups.models.run import new_id
from backups.runs import finish, workspace
from backups.runs.execute import execute, run_here
from backups.runs.progress import Monitor
from backups.runs.queue.holder import on_this_host, owned_here
from backups.runs.queue.once import create_once
from backups.runs.recovery.reap import HINT
from backups.runs.registry import RunKind
from backups.service.archives.leases import let_go
from backups.service.drill import result as verdict
from backups.service.drill.trial_restore import TRIALS, Found
from destinations.lib.operator_error import OperatorError

Kind = DrillExecution.Kind


def newest_backup(instance: str) -> BackupExecution:
    """Return the newest backup of `instance` that has an archive; safety backups are of states that were left behind.

    Raises BackupError when there is none.
    """
    backups = BackupExecution.objects.of_instance(instance).stored().without_safety()
    newest = backups.select_related("destination").first()
    if newest is None:
        raise BackupError(f"there is no backup of {instance} to drill", hint="run `backup` first")
    return newest


def newest_good_backup(instance: str) -> BackupExecution | None:
    """Return the newest of them that nothing speaks against."""
    backups = BackupExecution.objects.of_instance(instance).good().without_safety()
    return backups.select_related("destination").first()


def start_drill(
    execution: BackupExecution, *, by: audit.Actor, kind: Kind = Kind.DRILL, run_id: str = ""
) -> DrillExecution:
    """Create the queued drill or verification of that backup; `run_drill` or a worker runs it.

    With a `run_id` it is of this process, which holds the workspace of that id, and no worker takes it.

    Raises AlreadyWaiting when another one of that kind and backup waits for a worker, BackupError when there is no
    archive.
    """
    if not execution.has_archive:
        raise BackupError(f"{execution} has no archive to {_verb(kind)}", hint="name another backup")
    InstanceState.objects.get_or_create(instance=execution.instance)
    run = DrillExecution(
        instance=execution.instance,
        execution=execution,
        kind=kind,
        triggered_by=audit.name_of(by),
        **owned_here(run_id),
    )
    same = {"execution": execution, "kind": kind}
    create_once(run, {} if run_id else same, what=f"{run.word} of {execution}", by=by)
    audit.log(
        f"{run.word}.queued", execution=run.pk, instance=run.instance, backup=execution.pk, archive=str(execution),
        by=run.triggered_by,
    )  # fmt: skip
    audit.note(by, execution, f"Started a {run.word}.")
    audit.note(by, run, f"Started the {run}.")
    return run


class DrillKind(RunKind[DrillExecution]):
    model = DrillExecution
    related = ("execution__destination",)

    def work(self, run: DrillExecution, monitor: Monitor, directory: Path) -> Found:
        try:
            return TRIALS[run.kind](run, monitor, directory)
        except OSError as error:
            raise BackupError(
                f"the scratch place cannot be written: {error.strerror}",
                hint="free space there, or set BACKUP_WORKSPACE_ROOT",
            ) from error

    def complete(self, run: DrillExecution, made: Found) -> None:
        verdict.passed(run, made)

    def settle(self, run: DrillExecution, directory: Path, error: BaseException) -> None:
        verdict.failed(run, error)

    def recover(self, run: DrillExecution, message: str) -> bool:
        if on_this_host(run.worker):
            workspace.sweep(run.pk)
        let_go(run.worker)
        return finish.interrupted(run, message, HINT)


DRILL = DrillKind()


def run_drill(drill_id: str) -> DrillExecution:
    """Run a queued drill or verification to its end, as `execute`, and record what it says of the archive."""
    return execute(DRILL, drill_id)


def drill(execution: BackupExecution, *, by: audit.Actor) -> DrillExecution:
    """Drill that backup here and now, and return the row: `verdict` says what came of it, a failure is not raised.

    No worker ever takes the run: it ends with this process. Raises BackupError when there is no archive.
    """
    run_id = new_id()
    try:
        run, _ = look(execution, by=by, kind=Kind.DRILL, run_id=run_id)
    except OperatorError:
        # the row says it, when it was made
        ended = DrillExecution.objects.select_related("execution__destination").filter(pk=run_id).first()
        if ended is None:
            raise
        return ended
    return run


def look(execution: BackupExecution, *, by: audit.Actor, kind: Kind, run_id: str = "") -> tuple[DrillExecution, Found]:
    """Drill or verify that backup in a run of this process; return both. Raises as `start_drill` and `run_drill`."""

    def make(own_id: str) -> DrillExecution:
        return start_drill(execution, by=by, kind=kind, run_id=own_id)

    return run_here(DRILL, make, by=by, run_id=run_id)


def _verb(kind: Kind) -> str:
    return "drill" if kind == Kind.DRILL else "verify"
