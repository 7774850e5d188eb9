"""Getting an archive back from its destination, proven to be the one that was recorded."""

from collections.abc import Callable
from pathlib import Path

from backups.archive.errors import ArchiveError
from backups.errors import BackupError
from backups.models import BackupExecution
from backups.runs.workspace import require_space
from backups.service.archives.hashing import HashingSink
from backups.service.archives.leases import reading


def fetch(execution: BackupExecution, directory: Path, *, progress: Callable[[int], None] | None = None) -> Path:
    """Download the archive of `execution` into `directory` (0600) and return its path.

    Raises BackupError when the execution has no archive, ArchiveError when the file is not the one that was recorded,
    DestinationError when it cannot be got.
    """
    if not execution.has_archive:
        state = "deleted" if execution.deleted_at else execution.status
        raise BackupError(f"execution {execution.pk} has no archive: it is {state}")
    require_space(directory, execution.compressed_size_bytes or 0)
    path = directory / execution.backup_filename
    with reading(execution), path.open("xb") as file, execution.destination.open() as destination:
        path.chmod(0o600)
        sink = HashingSink(file)
        destination.get(execution.backup_path, sink, progress=progress)
    if sink.sha256.hexdigest() != execution.archive_sha256:
        raise ArchiveError(
            f"{execution.backup_path} at {execution.destination.name} is not what was uploaded: its SHA-256 differs",
            hint="it was changed or damaged there; use another backup, and find out who can write to that place",
        )
    return path
