"""Run a drill or a verification of an archive, which is fetched from its destination and tried in a workspace."""

from dataclasses import replace
from pathlib import Path
from uuid import uuid4

from backups.errors import BackupError
from backups.lib import audit
from backups.models import BackupCopy, BackupExecution, DrillExecution, InstanceState
from backups.models.run import new_id
from backups.runs import finish, workspace
from backups.runs.execute import execute, run_here
from backups.runs.progress import Monitor
from backups.runs.queue.deduplication import create_once
from backups.runs.queue.ownership import is_on_this_host, process_owner_fields
from backups.runs.recovery.reap import HOST_LOG_HINT
from backups.runs.registry import RunKind
from backups.service.archives.budget import require_budget
from backups.service.archives.leases import release_leases
from backups.service.archives.openable import may_open
from backups.service.archives.signatures import signature_state
from backups.service.archives.verify import Verified, verify_file
from backups.service.drill.result import record_failed, record_passed
from backups.service.drill.trial_restore import TRIALS, Among, TrialResult
from destinations.lib.disks import write_hint
from destinations.lib.operator_error import OperatorError

Kind = DrillExecution.Kind


def newest_backup(instance: str) -> BackupExecution:
    """Return the newest backup of `instance` whose archive is not known to be damaged; a damaged one where all are.

    Raises BackupError when there is none.
    """
    # safety backups are of states that a restore replaced
    backups = BackupExecution.objects.of_instance(instance).stored().without_safety().select_related("destination")
    newest = backups.filter(damaged_at=None).first() or backups.first()
    if newest is None:
        raise BackupError(f"There is no backup of {instance} to drill.", hint="Run `backup` first.")
    return newest


def newest_good_backup(instance: str) -> BackupExecution | None:
    """Return the newest backup of `instance` whose archive has no known fault; one without a date where no other is."""
    backups = BackupExecution.objects.of_instance(instance).good().without_safety().select_related("destination")
    # an adopted archive without a date has that of its adoption, and may be of any age
    return backups.filter(started_at__isnull=False).first() or backups.first()


def start_drill(
    backup: BackupExecution,
    *,
    by: audit.Actor,
    kind: Kind = Kind.DRILL,
    run_id: str = "",
    only_copy: BackupCopy | None = None,
) -> DrillExecution:
    """Create the queued drill or verification of `backup`; `run_drill` or a worker runs it.

    With a `run_id` it belongs to this process, which holds the workspace of that id, and no worker takes it.

    Raises AlreadyWaiting when another one of that kind and backup waits for a worker, BackupError when there is no
    archive, PutOff when the daily reading budgets have no room for it.
    """
    if not backup.has_archive:
        verb = "drill" if kind == Kind.DRILL else "verify"
        raise BackupError(f"{backup} has no archive to {verb}.", hint="Name another backup.")
    require_budget(backup, among=_among(only_copy))
    # the state of drills is read by one index seek for each of these rows; an instance may have been removed since
    InstanceState.objects.get_or_create(instance=backup.instance)
    run = DrillExecution(
        instance=backup.instance,
        execution=backup,
        kind=kind,
        triggered_by=audit.name_of(by),
        **process_owner_fields(run_id),
    )
    run.only_copy = only_copy
    same = {"execution": backup, "kind": kind}
    create_once(run, {} if run_id else same, what=f"{run.label} of {backup}", by=by)
    if kind == Kind.DRILL:
        InstanceState.objects.filter(instance=run.instance).exclude(drill_put_off="").update(drill_put_off="")
    audit.log(
        f"{run.label}.queued", drill=run.pk, instance=run.instance, backup=backup.pk, archive=str(backup),
        by=run.triggered_by,
    )  # fmt: skip
    audit.note(by, backup, f"Started a {run.label}.")
    audit.note(by, run, f"Started the {run}.")
    return run


def _among(only_copy: BackupCopy | None) -> Among:
    return may_open if only_copy is None else lambda copy: copy.pk == only_copy.pk


class DrillKind(RunKind[DrillExecution]):
    model = DrillExecution
    related = ("execution__destination",)

    def work(self, run: DrillExecution, monitor: Monitor, directory: Path) -> TrialResult:
        try:
            return TRIALS[run.kind](run, monitor, directory, _among(run.only_copy))
        except OSError as error:
            raise BackupError(
                f"The workspace {directory} cannot be written: {error.strerror}.", hint=write_hint(error, directory)
            ) from error

    def complete(self, run: DrillExecution, made: TrialResult) -> None:
        record_passed(run, made)

    def settle(self, run: DrillExecution, directory: Path, error: BaseException) -> None:
        record_failed(run, error)

    def recover(self, run: DrillExecution, message: str) -> bool:
        if is_on_this_host(run.worker):
            workspace.sweep(run.pk)
        # they would keep the archive from being deleted
        release_leases(run)
        return finish.interrupt(run, message, HOST_LOG_HINT)


DRILL = DrillKind()


def run_drill(drill_id: str) -> DrillExecution:
    """Run a queued drill or verification to its end, as `execute`, and record its result with the backup."""
    return execute(DRILL, drill_id)


def drill(backup: BackupExecution, *, by: audit.Actor) -> DrillExecution:
    """Drill `backup` in this process and return the row, whose `verdict` is the result; a failure is not raised.

    It ends with this process, and no worker takes it. Raises BackupError when there is no archive.
    """
    run_id = new_id()
    try:
        run, _ = _run_here(backup, by=by, kind=Kind.DRILL, run_id=run_id)
    except OperatorError:
        # a row that was created has the error
        ended = DrillExecution.objects.select_related("execution__destination").filter(pk=run_id).first()
        if ended is None:
            raise
        return ended
    return run


def verify_backup(backup: BackupExecution, *, by: audit.Actor, only_copy: BackupCopy | None = None) -> Verified:
    """Fetch the archive of `backup`, from its nearest copy or `only_copy`, verify it here and record the result.

    Raises OperatorError with the first fault, PutOff when the daily reading budget has no room for it.
    """
    run, found = _run_here(backup, by=by, kind=Kind.VERIFICATION, only_copy=only_copy)
    where = run.findings.get("destination", "")
    return Verified(found.manifest, found.databases, found.signature, found.notes, where)


def verify_archive(path: Path) -> Verified:
    """Verify an archive file, which need not be in the catalogue. Raises as `verify_backup`."""
    signature = signature_state(path)
    with workspace.workspace(str(uuid4())) as directory:
        return replace(verify_file(path, directory), signature=str(signature))


def _run_here(
    backup: BackupExecution, *, by: audit.Actor, kind: Kind, run_id: str = "", only_copy: BackupCopy | None = None
) -> tuple[DrillExecution, TrialResult]:
    def make(own_id: str) -> DrillExecution:
        return start_drill(backup, by=by, kind=kind, run_id=own_id, only_copy=only_copy)

    return run_here(DRILL, make, by=by, run_id=run_id)
