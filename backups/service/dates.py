"""When the data of an archive was taken, as far as anybody can say."""

import re
from datetime import UTC, datetime

from backups.models import BackupExecution
from backups.retention import agreed_date

_IN_NAME = re.compile(r"-(\d{8}-\d{6})-[a-z_]+(?:-\d+)?\.tar\.[a-z.]+")


def taken_at(execution: BackupExecution, claim_of_manifest: str | None) -> datetime | None:
    """Return the moment on which the row, its manifest and the name of its archive agree; None when they do not."""
    try:
        in_manifest = datetime.fromisoformat(str(claim_of_manifest)) if claim_of_manifest else None
    except ValueError:
        return None
    return agreed_date([execution.started_at, in_manifest, date_in_name(execution.backup_filename)])


def date_in_name(filename: str) -> datetime | None:
    """Return the moment in the name of an archive, such as ``backup-hq-20260331-020000-manual.tar.gz``, in UTC."""
    found = _IN_NAME.search(filename)
    if found is None:
        return None
    try:
        return datetime.strptime(found[1], "%Y%m%d-%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return None
