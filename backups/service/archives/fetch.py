"""Fetching an archive from its destination, checked against the checksum of the record."""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

from django.utils import timezone

from backups.archive.errors import ArchiveError
from backups.archive.minisign import new_digest
from backups.errors import BackupError
from backups.lib import audit
from backups.models import BackupExecution
from backups.runs.workspace import require_space, workspace
from backups.service.archives.leases import read_lease
from backups.service.archives.records.missing import mark_missing
from destinations.exceptions import NotFound
from destinations.lib.streams import Sink


class HashingSink:
    """A sink that hashes what is written, and passes it on to `target`; `blake2b` is computed with `signed` only."""

    def __init__(self, target: Sink | None = None, *, signed: bool = False) -> None:
        self.target = target
        self.sha256 = hashlib.sha256()
        self.blake2b = new_digest()
        self._signed = signed

    def write(self, data: bytes) -> int:
        self.sha256.update(data)
        if self._signed:
            self.blake2b.update(data)
        return len(data) if self.target is None else self.target.write(data)


def fetch(backup: BackupExecution, directory: Path, *, progress: Callable[[int], None] | None = None) -> Path:
    """Download the archive of `backup` into `directory` (0600) and return its path.

    Raises BackupError when the backup has no archive, ArchiveError when the file is not the one that was recorded,
    DestinationError when it cannot be downloaded; one that the destination does not have is marked as missing.
    """
    if not backup.has_archive:
        state = "missing" if backup.is_missing else "deleted" if backup.deleted_at else backup.status
        raise BackupError(f"Backup {backup.pk} has no archive: it is {state}.")
    require_space(directory, backup.compressed_size_bytes or 0)
    path = directory / backup.backup_filename
    with read_lease(backup), path.open("xb") as file, backup.destination.open() as destination:
        path.chmod(0o600)
        sink = HashingSink(file)
        try:
            destination.get(backup.backup_path, sink, progress=progress)
        except NotFound:
            for copy in backup.copies.filter(destination=backup.destination, path=backup.backup_path):
                mark_missing(copy, timezone.now())
            backup.refresh_from_db(fields=["missing_at"])
            raise
    if sink.sha256.hexdigest() != backup.archive_sha256:
        raise ArchiveError(
            f"{backup.backup_path} at {backup.destination.name} is not what was uploaded: its SHA-256 differs.",
            hint="It was changed or damaged there: use another backup, and find out who can write to that destination.",
        )
    return path


def download_backup(backup: BackupExecution, *, by: audit.Actor) -> BinaryIO:
    """Fetch the archive for a person; return it as an open, unlinked file.

    Raises OperatorError, for a damaged archive too.
    """
    with workspace(str(uuid4())) as directory:
        path = fetch(backup, directory)
        # stays readable when the workspace is deleted, and is freed when it is closed
        file = os.fdopen(os.open(path, os.O_RDONLY), "rb")
    fields = {"backup": backup.pk, "instance": backup.instance, "by": audit.name_of(by)}
    audit.log("backup.downloaded", file=backup.backup_filename, **fields)
    audit.note(by, backup, f"Downloaded {backup.backup_filename}.")
    return file
