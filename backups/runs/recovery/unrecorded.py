"""Ends of runs that the site's database could not take: a file beside the workspace keeps each until it can."""

import json
import logging
import os
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.utils import timezone

from backups.errors import BackupError, Unrecorded
from backups.lib import audit
from backups.models import Run
from backups.runs import finish
from backups.runs.finish import Ending
from backups.runs.registry import kind_of
from destinations.lib.operator_error import sentences

# The file is made, with this size, before anything is changed: a disk that is full by then has room for the end.
RESERVED_BYTES = 64 << 10
SUFFIX = ".end"
Status = Run.Status


def _path(run_id: str) -> Path:
    return Path(settings.BACKUP_WORKSPACE_ROOT) / f"{run_id}{SUFFIX}"


def reserve(run: Run) -> None:
    """Make room for the end of `run`. Raises BackupError when there is none, and nothing was changed yet."""
    try:
        _write(_path(run.pk), b"")
    except OSError as error:
        forget(run.pk)
        raise BackupError(
            f"the workspace {settings.BACKUP_WORKSPACE_ROOT} cannot be written: {os.strerror(error.errno or 0)}",
            hint="free space there, or set BACKUP_WORKSPACE_ROOT to a larger disk",
        ) from error


def save(run: Run, ending: Ending) -> Path | None:
    """Keep `ending` and what the row of `run` lacks; return where, None when the disk does not take it either."""
    kept: dict[str, Any] = {
        run.noun: run.pk,
        "instance": run.instance,
        "status": ending.status,
        "error_message": ending.message,
        "error_hint": ending.hint,
        "completed_at": timezone.now().isoformat(),
        **{name: getattr(run, name) for name in kind_of(run).kept},
    }
    text = json.dumps(kept | {"hook_output": run.hook_output})
    if len(text) > RESERVED_BYTES:
        text = json.dumps(kept)
    try:
        _write(_path(run.pk), text.encode())
    except OSError:
        return None
    return _path(run.pk)


def keep(run: Run, ending: Ending, problem: Exception, *, done: str) -> Unrecorded:
    """Save `ending`, which the database could not take, and return the error that tells the operator.

    `done` is what a completed run tells.
    """
    path = save(run, ending)
    audit.log(
        f"{run.noun}.unrecorded", logging.CRITICAL, execution=run.pk, instance=run.instance, file=path,
        error=problem, status=ending.status, message=ending.message,
    )  # fmt: skip
    what = ending.message or done
    where = f"Its end is kept in {path}: when the database can be written again, run 'manage.py tick'"
    lost = "This message is all that is kept of it: write it down, correct the database, then run 'manage.py tick'"
    return Unrecorded(
        sentences(
            f"{run.noun.capitalize()} {run.pk} of {run.instance} is {ending.status}: {what}",
            f"The database of this site could not take that ({type(problem).__name__}), so its row says that it is"
            " running",
        ),
        hint=sentences(ending.hint, where if path else lost),
    )


def exists(run_id: str) -> bool:
    """True while that run, which changes data, has not recorded its end: it is under way, or that is overdue."""
    try:
        return _path(run_id).exists()
    except PermissionError:  # workspaces of another user, whose lock is out of reach as well
        return False


def record(run: Run) -> bool:
    """Write the end that was kept into the row of `run`; False when none was, or the row says more already.

    One that another host has taken for dead meanwhile says that it may be half done: what was kept knows better.
    """
    kept = _read(run.pk)
    if kept is None or run.status not in (Status.RUNNING, Status.INTERRUPTED):
        return False
    ending = Ending(Status(kept["status"]), kept["error_message"], kept["error_hint"])
    known: dict[str, Any] = {name: kept[name] for name in (*kind_of(run).kept, "hook_output") if name in kept}
    known["completed_at"] = datetime.fromisoformat(kept["completed_at"])
    if ending.status == Status.COMPLETED:
        kind_of(run).record_late(run, known)
    return finish.recorded(run, ending, before=Status(run.status), **known)


def forget(run_id: str) -> None:
    """Remove the file. One that stays does no harm: its row has ended, and the next tick removes it."""
    with suppress(OSError):
        _path(run_id).unlink(missing_ok=True)


def run_ids() -> list[str]:
    """Return the runs that have such a file here, those under way too."""
    return [path.stem for path in Path(settings.BACKUP_WORKSPACE_ROOT).glob(f"*{SUFFIX}")]


def waiting() -> dict[Path, dict[str, Any]]:
    """Return the ends that wait to be recorded, by their files."""
    return {_path(run_id): kept for run_id in run_ids() if (kept := _read(run_id)) is not None}


def _read(run_id: str) -> dict[str, Any] | None:
    """Return what was kept; None where nothing was, or what cannot be read by this user, or at all."""
    try:
        kept = json.loads(_path(run_id).read_bytes().strip() or b"null")
    except (OSError, ValueError):
        return None
    return kept if isinstance(kept, dict) else None


def _write(path: Path, content: bytes) -> None:
    """Write in place: the blocks are there already."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        data = content.ljust(RESERVED_BYTES)
        while data:
            data = data[os.write(descriptor, data) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
