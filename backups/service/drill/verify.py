"""Verifying an archive: one that is recorded, which is a run with a row like a drill, or any file."""

from dataclasses import replace
from pathlib import Path
from uuid import uuid4

from backups.lib import audit
from backups.models import BackupExecution, DrillExecution
from backups.runs.workspace import workspace
from backups.service.archives.signatures import signature_state
from backups.service.archives.verify import Verified, verify_file
from backups.service.drill.run import look


def verify_execution(execution: BackupExecution, *, by: audit.Actor) -> Verified:
    """Fetch the archive from its destination, verify it here and now and record what came of it.

    Raises OperatorError with the first thing that is wrong.
    """
    _, found = look(execution, by=by, kind=DrillExecution.Kind.VERIFICATION)
    return Verified(found.manifest, found.databases, found.signature, found.notes)


def verify_archive(path: Path) -> Verified:
    """Verify an archive file that need not be known here. Raises as `verify_execution`."""
    signature = signature_state(path)
    with workspace(str(uuid4())) as directory:
        return replace(verify_file(path, directory), signature=str(signature))
