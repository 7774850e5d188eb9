"""What a drill or a verification says of an archive, kept with the backup; and what says nothing of it."""

import sqlite3
from typing import Any

from django.utils import timezone

from backups.archive.errors import ArchiveError
from backups.errors import ComponentError, NotCheckable, ScratchFailed
from backups.models import BackupExecution, DrillExecution
from backups.models.columns import Counts, DrillResult
from backups.runs import finish
from backups.service.drill.trial_restore import Found
from backups.signals import drill_finished, verification_finished
from destinations.exceptions import NotFound
from destinations.lib.operator_error import OperatorError

Kind, Status, Verdict = DrillExecution.Kind, DrillExecution.Status, DrillExecution.Verdict
NO_COUNTS: Counts = {"checking_seconds": 0, "archive_bytes": 0, "files": 0, "databases": 0, "rows": 0}
SIGNALS = {Kind.DRILL: drill_finished, Kind.VERIFICATION: verification_finished}


def is_about_the_archive(error: BaseException) -> bool:
    """True for what would stop every restore of this archive: it is damaged, gone, or no key at hand opens it.

    A destination that does not answer, a full disk or a wish to cancel says nothing of it.
    """
    if isinstance(error, ScratchFailed | NotCheckable):
        return False
    return isinstance(error, ArchiveError | ComponentError | NotFound)


def passed(run: DrillExecution, found: Found) -> None:
    """The archive is good: record it with the backup, then end the run."""
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
    run.warnings = list(found.warnings)
    run.verdict = Verdict.PASSED.value
    changes: dict[str, Any] = {"verified_at": timezone.now(), run.kind: result_of(run)}
    if run.kind == Kind.DRILL:
        # a drill makes every check of a verification, and more
        changes["verification"] = None
    run.execution.moved(Status.COMPLETED, **changes)
    facts = {"seconds": run.seconds, "bytes": run.bytes, "findings": run.findings, "warnings": run.warnings}
    if finish.completed(run, verdict=run.verdict, **facts):
        _tell(run)


def failed(run: DrillExecution, error: BaseException) -> None:
    """End the run; where `error` is about the archive, record with the backup that it is not good."""
    if not is_about_the_archive(error):
        finish.failed(run, error)
        return
    run.error_message = finish.message_of(error)
    run.error_hint = error.hint if isinstance(error, OperatorError) else ""
    run.seconds = round(run.duration.total_seconds(), 3) if run.duration else 0.0
    run.verdict = Verdict.FAILED.value
    run.findings = {"sqlite_version": sqlite3.sqlite_version}
    run.execution.moved(Status.COMPLETED, **{"verified_at": None, run.kind: result_of(run)})
    if finish.failed(run, error, verdict=run.verdict, seconds=run.seconds, findings=run.findings):
        _tell(run)


def result_of(run: DrillExecution) -> DrillResult:
    """Return the result as the backup keeps it and ``--json`` prints it."""
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


def _tell(run: DrillExecution) -> None:
    SIGNALS[Kind(run.kind)].send_robust(sender=BackupExecution, execution=run.execution, drill=run)
