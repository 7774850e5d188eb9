"""Handing an archive to a person: fetched, proven, streamed, gone."""

import os
from typing import BinaryIO
from uuid import uuid4

from backups.lib import audit
from backups.models import BackupExecution
from backups.runs.workspace import workspace
from backups.service.archives.fetch import fetch


def download_backup(execution: BackupExecution, *, by: audit.Actor) -> BinaryIO:
    """Return the archive as an open file that has no name any more and vanishes when it is closed.

    Raises OperatorError; a damaged archive is not handed out.
    """
    with workspace(str(uuid4())) as directory:
        path = fetch(execution, directory)
        file = os.fdopen(os.open(path, os.O_RDONLY), "rb")
    fields = {"execution": execution.pk, "instance": execution.instance, "by": audit.name_of(by)}
    audit.log("backup.downloaded", file=execution.backup_filename, **fields)
    audit.note(by, execution, f"Downloaded {execution.backup_filename}.")
    return file
