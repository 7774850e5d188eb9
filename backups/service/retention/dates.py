"""When the data of an archive was taken, as far as anybody can say."""

from datetime import datetime

from backups.models import BackupExecution
from backups.service.archives.names import time_in
from backups.service.retention.rules import agreed_date


def taken_at(execution: BackupExecution, claim_of_manifest: str | None) -> datetime | None:
    """Return the moment on which the row, its manifest and the name of its archive agree; None when they do not."""
    try:
        in_manifest = datetime.fromisoformat(str(claim_of_manifest)) if claim_of_manifest else None
    except ValueError:
        return None
    return agreed_date([execution.started_at, in_manifest, time_in(execution.backup_filename)])
