"""Whether there is room, and permission, to write where the site keeps its own."""

import errno
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings
from django.db import connection

from backups.errors import Unresponsive
from backups.lib.in_time import in_time
from backups.outside.problem import Problem, Severity
from destinations.lib.disks import existing, free_bytes, write_hint
from destinations.lib.formats import human_size

# what is written, and what has to be free: a heartbeat of each worker and a run need some pages of the database
PROBE_BYTES = 256 << 10
LEAST_FREE = 4 << 20


def disk_problems() -> list[Problem]:
    """Return a problem for each folder of the site that cannot be written now; a file is written there and removed."""
    return [problem for folder in _folders() if (problem := _problem_of(folder)) is not None]


def _folders() -> Iterator[Path]:
    """Yield the folder of the database, that of the log and that of the workspaces."""
    folders = [Path(settings.LOG_FILE).parent, Path(settings.BACKUP_WORKSPACE_ROOT)]
    if connection.vendor == "sqlite":
        folders.insert(0, Path(str(connection.settings_dict["NAME"])).parent)
    yield from dict.fromkeys(folder.absolute() for folder in folders)


def _problem_of(folder: Path) -> Problem | None:
    try:
        # its hint looks at the disk too
        text, hint = in_time(f"folder {folder}", lambda: _tried(folder))
    except Unresponsive as error:
        text, hint = error.message, error.hint
    return Problem(Severity.CRITICAL, f"not-writable/{folder}", text, hint, is_silence=True) if text else None


def _tried(folder: Path) -> tuple[str, str]:
    """Return why nothing can be written in `folder` and what to do; empty texts when that works."""
    try:
        _write(folder)
    except OSError as error:
        reason = os.strerror(error.errno or errno.EIO)
        return f"Nothing can be written in {folder}: {reason}.", write_hint(error, folder)
    return "", ""


def _write(folder: Path) -> None:
    """Write and remove a file in `folder`, or in its nearest parent that exists. Raises OSError."""
    # that of the workspaces comes with the first run
    folder = existing(folder)
    # a quota shows only there, and so does a disk that fails
    with tempfile.NamedTemporaryFile(prefix=".probe-", dir=folder) as file:
        file.write(b"\0" * PROBE_BYTES)
        file.flush()
        os.fsync(file.fileno())
    # root may write where the user of the worker may not any more
    if (free := free_bytes(folder)) < LEAST_FREE:
        raise OSError(errno.ENOSPC, f"{human_size(free)} free")
