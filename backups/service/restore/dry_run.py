"""Dry run of a restore: everything up to the point where it would change anything."""

from dataclasses import dataclass
from uuid import uuid4

from backups.instances import get_instance
from backups.runs.workspace import workspace
from backups.service.archives.signatures import require_signature
from backups.service.restore.request import RestoreRequest
from backups.service.restore.staging.preflight import require_same_files, require_valid
from backups.service.restore.staging.stage import archive_of, stage


@dataclass(frozen=True, slots=True)
class DryRunResult:
    """What was unpacked and verified; `notes` are the warnings that a restore would record."""

    files: int
    databases: int
    rows: int
    notes: tuple[str, ...]


def dry_run_restore(request: RestoreRequest) -> DryRunResult:
    """Fetch, unpack and verify what a restore would take. Nothing is changed or recorded.

    Raises OperatorError with what would stop the restore.
    """
    restore, instance = request.row(), get_instance(request.instance)
    with workspace(str(uuid4())) as directory:
        archive, unused = archive_of(restore, directory, _ignore)
        accepted = require_signature(restore, archive)
        staged = stage(archive, instance, restore, directory, _ignore, trusted=accepted.trusted)
    entries = [entry for step in staged.steps for entry in step.entries]
    # an undo goes back to what was, valid or not
    forced = require_valid(staged.findings, forced=request.force_invalid_config or request.undo_of is not None)
    elsewhere = require_same_files(staged, instance, restore)
    return DryRunResult(
        files=len(entries),
        databases=sum(entry.type == "database" for entry in entries),
        rows=sum(entry.records or 0 for entry in entries),
        notes=(*unused, *accepted.notes, *staged.notes, *forced, *elsewhere),
    )


def _ignore(_delta: int) -> None:
    """Take progress that no row shows."""
