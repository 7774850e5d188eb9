"""Ends of runs that could not be written to the database: each is saved in a file until the tick records it."""

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
from backups.runs.log_lines import current_log, kept_log
from backups.runs.registry import kind_of
from destinations.lib.operator_error import sentences

# The file gets this size before anything is changed, so that the end can be saved on a disk that is full by then.
RESERVED_BYTES = 64 << 10
SUFFIX = ".end"
LOG = "log_lines"
Status = Run.Status


def _path(run_id: str) -> Path:
    return Path(settings.BACKUP_WORKSPACE_ROOT) / f"{run_id}{SUFFIX}"


def reserve(run: Run) -> None:
    """Create the file for the end of `run`, with its full size. Raises BackupError when there is no space."""
    try:
        _write(_path(run.pk), b"")
    except OSError as error:
        remove_end(run.pk)
        raise BackupError(
            f"The workspace {settings.BACKUP_WORKSPACE_ROOT} cannot be written: {os.strerror(error.errno or 0)}.",
            hint="Free space there, or set BACKUP_WORKSPACE_ROOT to a larger disk.",
        ) from error


def save(run: Run, ending: Ending) -> Path | None:
    """Save `ending` and unwritten fields of `run`; return the path, None when that fails too."""
    kept: dict[str, Any] = {
        run.noun: run.pk,
        "instance": run.instance,
        "status": ending.status,
        "error_message": ending.message,
        "error_hint": ending.hint,
        "completed_at": timezone.now().isoformat(),
        **{name: getattr(run, name) for name in kind_of(run).saved_fields},
    }
    text = json.dumps(kept | {"hook_output": run.hook_output})
    if len(text) > RESERVED_BYTES:
        # the output of the hooks is the part that may be left out
        text = json.dumps(kept)
    log = current_log(run.pk)
    if lines := log.unwritten() if log is not None else []:
        text = _with_lines(text, lines)
    try:
        _write(_path(run.pk), text.encode())
    except OSError:
        return None
    return _path(run.pk)


def save_and_report(run: Run, ending: Ending, problem: Exception, *, done: str) -> Unrecorded:
    """Save `ending`, which the database did not take, and return the error for the operator.

    `done` is its message when the run is completed.
    """
    path = save(run, ending)
    audit.log(
        f"{run.noun}.unrecorded", logging.CRITICAL, **run.log_key, instance=run.instance, file=path,
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
    """True while that run has a file for its end: it is running, or its end is not recorded yet."""
    try:
        return _path(run_id).exists()
    except PermissionError:  # workspaces of another user, whose lock is out of reach as well
        return False


def record(run: Run) -> bool:
    """Record the saved end in the row of `run`; False when there is none, or the row has a final status already."""
    kept = _read(run.pk)
    # interrupted: another host reaped it meanwhile, without knowing how it ended
    if kept is None or run.status not in (Status.RUNNING, Status.INTERRUPTED):
        return False
    ending = Ending(Status(kept["status"]), kept["error_message"], kept["error_hint"])
    known: dict[str, Any] = {name: kept[name] for name in (*kind_of(run).saved_fields, "hook_output") if name in kept}
    known["completed_at"] = datetime.fromisoformat(kept["completed_at"])
    if ending.status == Status.COMPLETED:
        kind_of(run).record_late(run, known)
    with kept_log(type(run), run.pk) as log:
        log.add(kept.get(LOG, []))
        return finish.record_end(run, ending, before=Status(run.status), **known)


def remove_end(run_id: str) -> None:
    """Remove the file. One that stays is removed by the next tick, because its row has ended."""
    with suppress(OSError):
        _path(run_id).unlink(missing_ok=True)


def run_ids() -> list[str]:
    """Return the ids of the runs with such a file, also those that are running."""
    return [path.stem for path in Path(settings.BACKUP_WORKSPACE_ROOT).glob(f"*{SUFFIX}")]


def pending_ends() -> dict[Path, dict[str, Any]]:
    """Return the saved ends that are not recorded yet, by their files."""
    return {_path(run_id): kept for run_id in run_ids() if (kept := _read(run_id)) is not None}


def _read(run_id: str) -> dict[str, Any] | None:
    """Return the saved end; None when there is none or it cannot be read."""
    try:
        # a file that is only reserved is blank: its run is running
        kept = json.loads(_path(run_id).read_bytes().strip() or b"null")
    except (OSError, ValueError):
        return None
    return kept if isinstance(kept, dict) else None


def _with_lines(text: str, lines: list[str]) -> str:
    """Return the JSON object `text` with as many of the last `lines` as there is room for."""
    room = RESERVED_BYTES - len(text) - len(f', "{LOG}": []')
    first = len(lines)
    while first and (room := room - len(json.dumps(lines[first - 1])) - len(", ")) >= 0:
        first -= 1
    return json.dumps(json.loads(text) | {LOG: lines[first:]})


def _write(path: Path, content: bytes) -> None:
    """Write in place, into the blocks that the file has already."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        data = content.ljust(RESERVED_BYTES)
        while data:
            data = data[os.write(descriptor, data) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
