"""Trial restore: a drill unpacks an archive in a workspace and checks it fully, a verification hashes and checks it.

Both fail on what would stop a restore, and a drill also on what is not as it was backed up. What was wrong in the
service already when it was backed up, such as dangling references, is a warning.
"""

import sqlite3
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from backups.archive.manifest.document import Manifest
from backups.components import sqlite
from backups.components.files.compare import first_difference
from backups.components.files.replacing.replace import contents_of
from backups.errors import ComponentError
from backups.instances.kinds import kind_of
from backups.instances.kinds.layers import CONFIG
from backups.models import BackupCopy, DrillExecution
from backups.runs.progress import Monitor
from backups.runs.workspace import require_space
from backups.service.archives.extract import Extracted, unpack_archive
from backups.service.archives.fetch import Fetched, fetch_nearest
from backups.service.archives.openable import may_open, require_key
from backups.service.archives.signatures import Signature, State, signature_of_fetched
from backups.service.archives.trees.listing import keep_unpacked
from backups.service.archives.verify import Progress, check_database, check_databases, unpack_databases
from backups.service.drill.rotation import longest_unproven_first
from backups.service.restore.foresight import restore_obstacles
from backups.service.restore.staging.select import absent_parts
from destinations.lib.operator_error import sentences

Kind, Stage = DrillExecution.Kind, DrillExecution.Stage


@dataclass(frozen=True, slots=True)
class TrialResult:
    """What a good archive holds.

    `seconds` of a drill are the measured time of recovery: fetching, decrypting, unpacking and verifying, as a restore
    does them; `checking_seconds` went into what only a drill checks. `bytes` were restored, or read. `sqlite_version`
    is that of the SQLite that checked: another one may find more, or less. `notes` are those of the `warnings` that
    are about what cannot be checked here.
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


Among = Callable[[BackupCopy], bool]
Trial = Callable[[DrillExecution, Monitor, Path, Among], TrialResult]


def drill(run: DrillExecution, monitor: Monitor, directory: Path, among: Among = may_open) -> TrialResult:
    """Restore the archive of the nearest copy (`among` those) below `directory` and check it fully.

    Raises OperatorError with the first fault.
    """
    backup = run.execution
    began = time.monotonic()
    # the archive, what is in it, and the folders unpacked from its nested tars
    require_space(directory, 2 * (backup.size_bytes or 0) + (backup.compressed_size_bytes or 0))
    signature, fetched = _fetched(run, monitor, directory, among)
    archive = fetched.path
    monitor.stage(Stage.UNPACKING, total=backup.size_bytes or 0)
    trusted = signature.state is State.SIGNED
    restored = unpack_archive(
        archive, directory / "restored", directory, keep_tars=True, trusted=trusted, progress=monitor.advance
    )
    # measured here: a restore does no more than that
    seconds = time.monotonic() - began
    monitor.stage(Stage.CHECKING, total=restored.size_bytes)
    warnings = [*fetched.notes, *_check(restored, monitor.advance, trusted=trusted)]
    warnings += restore_obstacles(restored.manifest, lambda entry: contents_of(restored.directory / entry.file))
    unsigned = []
    if not trusted:
        unsigned = [f"the archive is {signature}: whoever restores it has to accept that"]
    keep_unpacked(backup, restored.manifest, restored.directory, lambda _: monitor.advance(0))
    return TrialResult(
        manifest=restored.manifest,
        seconds=round(seconds, 3),
        checking_seconds=round(time.monotonic() - began - seconds, 3),
        bytes=restored.size_bytes,
        archive_bytes=archive.stat().st_size,
        files=len(restored.entries),
        databases=sum(entry.type == "database" for entry in restored.entries),
        rows=restored.rows,
        warnings=_distinct([*warnings, *unsigned]),
        signature=str(signature),
        notes=(*fetched.notes, *restored.notes),
    )


def verify(run: DrillExecution, monitor: Monitor, directory: Path, among: Among = may_open) -> TrialResult:
    """Hash every member of the archive and check each database in it. Raises as `drill`."""
    backup = run.execution
    began = time.monotonic()
    signature, fetched = _fetched(run, monitor, directory, among)
    archive = fetched.path
    monitor.stage(Stage.UNPACKING, total=backup.size_bytes or 0)
    unpacked = unpack_databases(archive, directory, monitor.advance)
    monitor.stage(Stage.CHECKING, total=sum(entry.size_bytes for entry in unpacked.databases))
    notes = [*fetched.notes, *check_databases(unpacked, monitor.advance)]
    entries = unpacked.manifest.contents
    return TrialResult(
        manifest=unpacked.manifest,
        seconds=round(time.monotonic() - began, 3),
        checking_seconds=0.0,
        bytes=sum(entry.size_bytes for entry in entries),
        archive_bytes=archive.stat().st_size,
        files=len(entries),
        databases=len(unpacked.databases),
        rows=sum(entry.records or 0 for entry in unpacked.databases),
        warnings=_distinct([*unpacked.manifest.warnings, *notes]),
        signature=str(signature),
        notes=tuple(notes),
    )


TRIALS: Mapping[str, Trial] = {Kind.DRILL: drill, Kind.VERIFICATION: verify}


def _distinct(warnings: Iterable[str]) -> tuple[str, ...]:
    # what could not be checked at the backup mostly cannot be checked now either
    return tuple(dict.fromkeys(warnings))


def _fetched(run: DrillExecution, monitor: Monitor, directory: Path, among: Among) -> tuple[Signature, Fetched]:
    backup = run.execution
    # before an archive of many GB is fetched for nothing
    require_key(backup)
    monitor.stage(Stage.FETCHING, total=backup.compressed_size_bytes or 0)
    fetched = fetch_nearest(
        backup, directory, progress=monitor.advance, among=among, order=longest_unproven_first, within_budget=True
    )
    run.read_copy = fetched.copy
    return signature_of_fetched(backup, fetched), fetched


def _check(restored: Extracted, progress: Progress, *, trusted: bool) -> list[str]:
    """Check what only a drill takes the time for; return the warnings. Raises ComponentError."""
    warnings = [*restored.manifest.warnings, *restored.notes]
    for entry in restored.entries:
        path = restored.directory / entry.file
        if entry.type == "database":
            warnings += check_database(path, entry, full=True, checkpoint=progress)
            warnings += sqlite.dangling_references(path, checkpoint=progress)
            progress(entry.size_bytes)
    for entry in restored.trees:
        tree = restored.directory / str(entry.component)
        found = first_difference(
            restored.directory / entry.file, tree, progress, unkept=restored.unkept, trusted=trusted
        )
        if found is not None:
            raise ComponentError(f"{found} was not unpacked as it is in {entry.file}.")
        progress(entry.size_bytes)
    manifest = restored.manifest
    kind = kind_of(manifest)
    if kind is not None:
        warnings += kind.check_unpacked(restored.directory, manifest)
    if kind is not None and kind.layers and manifest.entries_of(CONFIG):
        # a configuration that is not valid would stop a restore
        findings = kind.findings(kind.archived(restored.directory, absent_parts(manifest, CONFIG)).merged)
        if findings:
            raise ComponentError(
                sentences(f"The configuration in the backup is not valid: {'; '.join(findings)}"),
                hint="Correct it in the service and back up again: a restore of this one has to be forced.",
            )
    return warnings
