"""What a drill and a verification do with an archive, in a scratch place; no instance is touched.

Both fail on what would stop a restore, and a drill besides on what is not as it was backed up. What was wrong in the
service already when it was backed up, such as references that lead nowhere, is a warning: the backup is not to blame.
"""

import sqlite3
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from backups.archive.manifest.document import Manifest
from backups.components import sqlite
from backups.components.files.compare import first_difference
from backups.errors import ComponentError
from backups.instances.kinds import kind_of
from backups.instances.kinds.layers import CONFIG
from backups.models import BackupExecution, DrillExecution
from backups.runs.progress import Monitor
from backups.runs.workspace import require_space
from backups.service.archives.extract import Extracted, lay_out
from backups.service.archives.fetch import fetch
from backups.service.archives.signatures import Signature, State, signature_state
from backups.service.archives.tree_listing import keep_unpacked
from backups.service.archives.verify import Progress, check_database, check_databases, unpack_databases
from backups.service.restore.select import absent_parts

Kind, Stage = DrillExecution.Kind, DrillExecution.Stage


@dataclass(frozen=True, slots=True)
class Found:
    """What a good archive was found to hold.

    `seconds` of a drill are the measured time of recovery: fetching, decrypting, unpacking and verifying, as a restore
    does them; `checking_seconds` went into what only a drill checks. `bytes` were restored, or read. `sqlite_version`
    is that of the SQLite that checked: another one may find more, or less. `notes` are those of the `warnings` that are
    about what cannot be checked here.
    """

    manifest: Manifest
    seconds: float
    checking_seconds: float
    bytes: int
    archive_bytes: int
    files: int
    databases: int
    rows: int
    warnings: tuple[str, ...]
    signature: str
    notes: tuple[str, ...] = ()
    sqlite_version: str = sqlite3.sqlite_version


Trial = Callable[[DrillExecution, Monitor, Path], Found]


def drill(run: DrillExecution, monitor: Monitor, directory: Path) -> Found:
    """Restore the archive below `directory` and check it fully.

    Raises OperatorError with the first thing that is wrong.
    """
    execution = run.execution
    began = time.monotonic()
    # the archive, what is in it, and the folders made of nested tars
    require_space(directory, 2 * (execution.size_bytes or 0) + (execution.compressed_size_bytes or 0))
    signature, archive = _fetched(execution, monitor, directory)
    monitor.stage(Stage.UNPACKING, total=execution.size_bytes or 0)
    restored = lay_out(archive, directory / "restored", directory, keep_tars=True, progress=monitor.advance)
    seconds = time.monotonic() - began
    monitor.stage(Stage.CHECKING, total=restored.size_bytes)
    warnings = _check(restored, monitor.advance)
    keep_unpacked(execution, restored.manifest, restored.directory, lambda _: monitor.advance(0))
    return Found(
        manifest=restored.manifest,
        seconds=round(seconds, 3),
        checking_seconds=round(time.monotonic() - began - seconds, 3),
        bytes=restored.size_bytes,
        archive_bytes=archive.stat().st_size,
        files=len(restored.entries),
        databases=sum(entry.type == "database" for entry in restored.entries),
        rows=restored.rows,
        warnings=_once([*warnings, *_unsigned(signature)]),
        signature=str(signature),
        notes=restored.notes,
    )


def verify(run: DrillExecution, monitor: Monitor, directory: Path) -> Found:
    """Hash every member of the archive and check each database in it. Raises as `drill`."""
    execution = run.execution
    began = time.monotonic()
    signature, archive = _fetched(execution, monitor, directory)
    monitor.stage(Stage.UNPACKING, total=execution.size_bytes or 0)
    unpacked = unpack_databases(archive, directory, monitor.advance)
    monitor.stage(Stage.CHECKING, total=sum(entry.size_bytes for entry in unpacked.databases))
    notes = check_databases(unpacked, monitor.advance)
    entries = unpacked.manifest.contents
    return Found(
        manifest=unpacked.manifest,
        seconds=round(time.monotonic() - began, 3),
        checking_seconds=0.0,
        bytes=sum(entry.size_bytes for entry in entries),
        archive_bytes=archive.stat().st_size,
        files=len(entries),
        databases=len(unpacked.databases),
        rows=sum(entry.records or 0 for entry in unpacked.databases),
        warnings=_once([*unpacked.manifest.warnings, *notes]),
        signature=str(signature),
        notes=tuple(notes),
    )


TRIALS: Mapping[str, Trial] = {Kind.DRILL: drill, Kind.VERIFICATION: verify}


def _once(warnings: Iterable[str]) -> tuple[str, ...]:
    """What could not be checked at the backup mostly cannot be checked now."""
    return tuple(dict.fromkeys(warnings))


def _fetched(execution: BackupExecution, monitor: Monitor, directory: Path) -> tuple[Signature, Path]:
    monitor.stage(Stage.FETCHING, total=execution.compressed_size_bytes or 0)
    return signature_state(execution), fetch(execution, directory, progress=monitor.advance)


def _unsigned(signature: Signature) -> list[str]:
    if signature.state is State.SIGNED:
        return []
    return [f"the archive is {signature}: whoever restores it has to accept that"]


def _check(restored: Extracted, progress: Progress) -> list[str]:
    """Check what only a drill has the time for; return the warnings. Raises ComponentError."""
    warnings = [*restored.manifest.warnings, *restored.notes]
    for entry in restored.entries:
        path = restored.directory / entry.file
        if entry.type == "database":
            warnings += check_database(path, entry, full=True, checkpoint=progress)
            warnings += sqlite.dangling_references(path, checkpoint=progress)
            progress(entry.size_bytes)
    for entry in restored.trees:
        tree = restored.directory / str(entry.component)
        if (found := first_difference(restored.directory / entry.file, tree, progress)) is not None:
            raise ComponentError(f"{found} was not unpacked as it is in {entry.file}")
        progress(entry.size_bytes)
    _check_configuration(restored)
    return warnings


def _check_configuration(restored: Extracted) -> None:
    """A configuration that is not valid stops a restore, so it fails the drill too."""
    manifest = restored.manifest
    kind = kind_of(manifest)
    if kind is None or not kind.layers or not manifest.entries_of(CONFIG):
        return
    findings = kind.findings(kind.archived(restored.directory, absent_parts(manifest, CONFIG)).merged)
    if findings:
        raise ComponentError(
            f"the configuration in the backup is not valid: {'; '.join(findings)}",
            hint="correct it in the service and back up again: a restore of this one has to be forced",
        )
