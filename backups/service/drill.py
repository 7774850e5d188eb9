"""A drill: the archive is fetched from where it really is and restored into a scratch place, to prove that it can be.

It fails on what would stop a restore and on what is not as it was backed up. What was wrong in the service already
when it was backed up, such as references that lead nowhere, is a warning: the backup is not to blame.
"""

import logging
import time
from dataclasses import asdict, dataclass
from uuid import uuid4

from django.utils import timezone

from backups import sqlite, tacacs_rules
from backups.archive.errors import ArchiveError
from backups.components.comparing import first_difference
from backups.components.config_archived import ArchivedConfiguration
from backups.errors import BackupError, ComponentError
from backups.models import BackupExecution
from backups.service import audit, outcome
from backups.service.extract import Extracted, lay_out
from backups.service.fetch import fetch
from backups.service.selection import absent_parts
from backups.service.verify import check_database
from backups.service.workspace import require_space, workspace
from backups.signals import drill_finished
from destinations.exceptions import DestinationError

PASSED, FAILED = "passed", "failed"


@dataclass(frozen=True, slots=True)
class Drill:
    """How a drill went, as the row of the execution keeps it.

    `seconds` is the measured time of recovery: fetching, decrypting, unpacking and verifying, as a restore does
    them. `checking_seconds` went into what only a drill checks. `bytes` were restored, from `archive_bytes`.
    """

    verdict: str
    at: str
    by: str
    seconds: float
    checking_seconds: float = 0.0
    bytes: int = 0
    archive_bytes: int = 0
    files: int = 0
    databases: int = 0
    rows: int = 0
    warnings: tuple[str, ...] = ()
    error: str = ""
    hint: str = ""


def newest_backup(instance: str) -> BackupExecution:
    """Return the newest backup of `instance` that has an archive; safety backups are of states that were left behind.

    Raises BackupError when there is none.
    """
    completed = BackupExecution.objects.filter(
        instance=instance, status=BackupExecution.Status.COMPLETED, deleted_at=None, missing_at=None
    )
    newest = completed.exclude(kind=BackupExecution.Kind.SAFETY).select_related("destination").first()
    if newest is None:
        raise BackupError(f"there is no backup of {instance} to drill", hint="run `backup` first")
    return newest


def drill(execution: BackupExecution, *, by: audit.Actor) -> Drill:
    """Restore the archive of `execution` into a scratch place, check it fully and record the verdict.

    A failure is recorded, logged as an error and returned, not raised. Raises BackupError when there is no archive.
    """
    if not execution.has_archive:
        raise BackupError(f"{execution} has no archive to drill", hint="name another backup")
    began = time.monotonic()
    try:
        done = _rehearse(execution, audit.name_of(by))
    except (BackupError, ArchiveError, DestinationError) as error:
        done = _failure(error, began, audit.name_of(by))
    except OSError as error:
        hint = "free space there, or set BACKUP_WORKSPACE_ROOT"
        unwritable = BackupError(f"the scratch place cannot be written: {error.strerror}", hint=hint)
        done = _failure(unwritable, began, audit.name_of(by))
    except Exception as error:
        _record(execution, _failure(error, began, audit.name_of(by)), by)
        raise
    _record(execution, done, by)
    return done


def _rehearse(execution: BackupExecution, by: str) -> Drill:
    began, at = time.monotonic(), timezone.now().isoformat()
    with workspace(str(uuid4())) as directory:
        # the archive, what is in it, and the folders made of nested tars
        require_space(directory, 2 * (execution.size_bytes or 0) + (execution.compressed_size_bytes or 0))
        archive = fetch(execution, directory)
        restored = lay_out(archive, directory / "restored", directory, keep_tars=True)
        seconds = time.monotonic() - began
        warnings = _check(restored)
        return Drill(
            verdict=PASSED,
            at=at,
            by=by,
            seconds=round(seconds, 3),
            checking_seconds=round(time.monotonic() - began - seconds, 3),
            bytes=restored.size_bytes,
            archive_bytes=archive.stat().st_size,
            files=len(restored.entries),
            databases=sum(entry.type == "database" for entry in restored.entries),
            rows=restored.rows,
            warnings=tuple(warnings),
        )


def _check(restored: Extracted) -> list[str]:
    """Check what only a drill has the time for; return the warnings. Raises ComponentError."""
    warnings = list(restored.manifest.warnings)
    for entry in restored.entries:
        path = restored.directory / entry.file
        if entry.type == "database":
            check_database(path, entry, full=True)
            warnings += sqlite.dangling_references(path)
    for entry in restored.trees:
        tree = restored.directory / str(entry.component)
        if (found := first_difference(restored.directory / entry.file, tree, lambda _: None)) is not None:
            raise ComponentError(f"{found} was not unpacked as it is in {entry.file}")
    _check_configuration(restored)
    return warnings


def _check_configuration(restored: Extracted) -> None:
    """A configuration that is not valid stops a restore, so it fails the drill too."""
    manifest = restored.manifest
    if not (manifest.kind == "tacacs" or manifest.is_foreign) or not manifest.entries_of("config"):
        return
    without_overrides = "overrides" in absent_parts(manifest, "config")
    findings = tacacs_rules.findings(ArchivedConfiguration(restored.directory, without_overrides).merged())
    if findings:
        raise ComponentError(
            f"the configuration in the backup is not valid: {'; '.join(findings)}",
            hint="correct it in the service and back up again: a restore of this one has to be forced",
        )


def _failure(error: Exception, began: float, by: str) -> Drill:
    seconds = round(time.monotonic() - began, 3)
    message, hint = outcome.message_of(error), getattr(error, "hint", "")
    return Drill(FAILED, timezone.now().isoformat(), by, seconds, error=message, hint=hint)


def _record(execution: BackupExecution, done: Drill, by: audit.Actor) -> None:
    now = timezone.now()
    execution.drill = asdict(done) | {"warnings": list(done.warnings)}
    changes: dict[str, object] = {"drill": execution.drill}
    if done.verdict == PASSED:
        execution.verified_at = now
        changes["verified_at"] = now
    BackupExecution.objects.filter(pk=execution.pk).update(**changes)
    audit.log(
        f"drill.{done.verdict}",
        logging.INFO if done.verdict == PASSED else logging.ERROR,
        execution=execution.pk,
        instance=execution.instance,
        archive=str(execution),
        seconds=done.seconds,
        by=done.by,
        error=done.error,
    )
    audit.note(by, execution, f"Drill {done.verdict}{f': {done.error}' if done.error else ''}.")
    drill_finished.send_robust(sender=BackupExecution, execution=execution)
