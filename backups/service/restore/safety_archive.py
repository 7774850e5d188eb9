"""The archive of a safety backup, kept beside the restore that it belongs to: a rollback needs no destination then."""

from collections.abc import Callable
from pathlib import Path

from backups.errors import BackupError
from backups.models import BackupExecution, RestoreExecution
from backups.service.archives.fetch import fetch

NAME = "safety"


def fetch_into(safety: BackupExecution, directory: Path, progress: Callable[[int], None]) -> Path:
    """Download the archive of `safety` into the workspace `directory`. Raises as `fetch`."""
    folder = directory / NAME
    folder.mkdir(mode=0o700)
    return fetch(safety, folder, progress=progress)


def safety_archive(restore: RestoreExecution, directory: Path) -> Path:
    """Return the archive of the state before `restore`: the one in `directory`, else from its destination.

    Raises OperatorError.
    """
    safety = restore.safety_backup
    if safety is None:
        raise BackupError(f"restore {restore.pk} has no safety backup")
    kept = directory / NAME / safety.backup_filename
    return kept if kept.exists() else fetch_into(safety, directory, lambda _: None)
