"""The result of a drill or a verification: recorded with its backup, and printed by ``--json``."""

import sqlite3
from typing import Any

from django.db.models import Q
from django.utils import timezone

from backups.archive.errors import ArchiveError, NotPossibleHere
from backups.errors import ComponentError, NotCheckable, ScratchFailed
from backups.models import BackupExecution, DrillExecution
from backups.models.columns import Counts, DrillResult
from backups.models.querysets import SOUND_COPY
from backups.runs import finish
from backups.runs.describe import iso, seconds_of
from backups.service.archives.records.copies import change_copy
from backups.service.drill.trial_restore import TrialResult
from backups.signals import drill_finished, verification_finished
from destinations.exceptions import NotFound
from destinations.lib.operator_error import OperatorError

Kind, Status, Verdict = DrillExecution.Kind, DrillExecution.Status, DrillExecution.Verdict
NO_COUNTS: Counts = {"checking_seconds": 0, "archive_bytes": 0, "files": 0, "databases": 0, "rows": 0}
SIGNALS = {Kind.DRILL: drill_finished, Kind.VERIFICATION: verification_finished}


def is_about_the_archive(error: BaseException) -> bool:
    """True for what would stop every restore of this archive, wherever that is made: it is damaged or gone.

    A key that is not on this host, a destination that does not answer, a full disk and a cancel are not about the
    archive.
    """
    if isinstance(error, ScratchFailed | NotCheckable | NotPossibleHere):
        return False
    return isinstance(error, ArchiveError | ComponentError | NotFound)


def record_passed(run: DrillExecution, found: TrialResult) -> None:
    """Record with the backup that its archive is good, then end the run."""
    run.seconds, run.bytes = found.seconds, found.bytes
    run.findings = Counts(
        checking_seconds=found.checking_seconds,
        archive_bytes=found.archive_bytes,
        files=found.files,
        databases=found.databases,
        rows=found.rows,
        signature=found.signature,
        sqlite_version=found.sqlite_version,
    )
    if (read := run.read_copy) is not None:
        run.findings["destination"] = read.destination.name
        # not one that was replaced, deleted or found missing meanwhile
        change_copy(read, SOUND_COPY, Q(path=read.path), verified_at=timezone.now(), verified_by=run.kind)
    run.warnings = list(found.warnings)
    run.verdict = Verdict.PASSED.value
    changes: dict[str, Any] = {"verified_at": timezone.now(), run.kind: result_of(run)}
    if run.kind == Kind.DRILL:
        # a drill makes every check of a verification, and more: an earlier one that failed is outdated
        changes["verification"] = None
    run.execution.transition(Status.COMPLETED, **changes)
    facts = {"seconds": run.seconds, "bytes": run.bytes, "findings": run.findings, "warnings": run.warnings}
    if finish.complete(run, verdict=run.verdict, **facts):
        _send_signal(run)


def record_failed(run: DrillExecution, error: BaseException) -> None:
    """End the run; where `error` is about the archive, record before with the backup that it is not good."""
    if not is_about_the_archive(error) or _is_about_one_copy(run):
        # which copy was read, or was to be, is no result about the backup
        copy = run.read_copy or run.only_copy
        finish.fail(run, error, findings={} if copy is None else {"destination": copy.destination.name})
        return
    run.error_message = finish.message_of(error)
    run.error_hint = error.hint if isinstance(error, OperatorError) else ""
    run.seconds = round(run.duration.total_seconds(), 3) if run.duration else 0.0
    run.verdict = Verdict.FAILED.value
    run.findings = {"sqlite_version": sqlite3.sqlite_version}
    if (read := run.read_copy) is not None:
        run.findings["destination"] = read.destination.name
        # the bytes are those that were uploaded, wherever they lie
        run.execution.copies.filter(sha256=read.sha256).update(verified_at=None, verified_by="")
    run.execution.transition(Status.COMPLETED, **{"verified_at": None, run.kind: result_of(run)})
    if finish.fail(run, error, verdict=run.verdict, seconds=run.seconds, findings=run.findings):
        _send_signal(run)


def _is_about_one_copy(run: DrillExecution) -> bool:
    """True when the one copy that was to be read is lost or changed, and the backup has a sound one elsewhere."""
    if run.only_copy is None:
        return False
    sound = {copy.pk for copy in run.execution.copies.sound()}
    return bool(sound) and run.only_copy.pk not in sound


def result_of(run: DrillExecution) -> DrillResult:
    """Return the result in the form of the columns `drill` and `verification` of a backup."""
    return {
        "verdict": run.verdict,
        "at": (run.started_at or run.created_at).isoformat(),
        "by": run.triggered_by,
        "seconds": run.seconds or 0.0,
        "bytes": run.bytes or 0,
        **NO_COUNTS,
        **run.findings,
        "warnings": run.warnings,
        "error": run.error_message,
        "hint": run.error_hint,
        "run": run.pk,
    }


def describe_drill(run: DrillExecution) -> dict[str, Any]:
    """Return one drill or verification as ``--json`` prints it; `seconds` are those of the result."""
    result: dict[str, Any] = {**result_of(run)}
    return {
        "id": result.pop("run"),
        "instance": run.instance,
        "kind": run.kind,
        "status": run.status,
        "stage": run.stage,
        "backup": run.execution_id,
        "archive": str(run.execution),
        "created_at": iso(run.created_at),
        "started_at": iso(run.started_at),
        "completed_at": iso(run.completed_at),
        "duration_seconds": seconds_of(run),
        **result,
    }


def _send_signal(run: DrillExecution) -> None:
    backup = run.execution
    SIGNALS[Kind(run.kind)].send_robust(sender=BackupExecution, backup=backup, drill=run, execution=backup)
