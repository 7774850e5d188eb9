"""Proving that an archive would restore: every checksum, a complete manifest, every database sound."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import uuid4

from django.utils import timezone

from backups import sqlite
from backups.archive.errors import ArchiveError
from backups.archive.manifest import Entry, Manifest
from backups.archive.reader import read_manifest, unpack
from backups.errors import BackupError, ComponentError
from backups.models import BackupExecution
from backups.service import audit
from backups.service.fetch import fetch
from backups.service.opening import opened
from backups.service.signatures import signature_state
from backups.service.workspace import require_space, workspace
from destinations.exceptions import DestinationError


@dataclass(frozen=True, slots=True)
class Verified:
    """What an archive was found to hold; every part of it agrees with the manifest. `signature` says who signed it."""

    manifest: Manifest
    databases: int
    signature: str = ""


def manifest_of_file(path: Path) -> Manifest:
    """Return the manifest of the archive file `path`. Raises ArchiveError."""
    with workspace(str(uuid4())) as directory, opened(path, directory) as stream:
        return read_manifest(stream)


def verify_execution(execution: BackupExecution, *, by: audit.Actor) -> Verified:
    """Fetch the archive from its destination, verify it and record the time.

    Raises BackupError, ArchiveError or DestinationError with the first thing that is wrong; an archive found damaged
    does not count as verified any more.
    """
    try:
        with workspace(str(uuid4())) as directory:
            signature = signature_state(execution)
            verified = replace(verify_file(fetch(execution, directory), directory), signature=str(signature))
    except (BackupError, ArchiveError, DestinationError) as error:
        audit.log(
            "backup.verification-failed", execution=execution.pk, instance=execution.instance, error=error.message
        )
        audit.note(by, execution, f"Verification failed: {error.message}")
        if isinstance(error, ArchiveError | ComponentError):
            BackupExecution.objects.filter(pk=execution.pk).update(verified_at=None)
        raise
    BackupExecution.objects.filter(pk=execution.pk).update(verified_at=timezone.now())
    audit.log("backup.verified", execution=execution.pk, instance=execution.instance, by=audit.name_of(by))
    audit.note(by, execution, "Verified: every checksum, every database.")
    return verified


def verify_archive(path: Path) -> Verified:
    """Verify an archive file that need not be known here. Raises as `verify_execution`."""
    signature = signature_state(path)
    with workspace(str(uuid4())) as directory:
        return replace(verify_file(path, directory), signature=str(signature))


def verify_file(path: Path, directory: Path, *, progress: Callable[[int], None] | None = None) -> Verified:
    """Unpack the archive `path` below `directory`, hashing every member, and check each database in it."""
    manifest = manifest_of_file(path)
    databases = [entry for entry in manifest.contents if entry.type == "database"]
    require_space(directory, sum(entry.size_bytes for entry in databases))
    scratch = directory / "verify"
    with opened(path, directory) as stream:
        unpack(stream, scratch, names=[entry.file for entry in databases], progress=progress)
    for entry in databases:
        check_database(scratch / entry.file, entry)
    return Verified(manifest, len(databases))


def check_database(path: Path, entry: Entry, *, full: bool = False) -> None:
    """Check the unpacked database of `entry` and count its rows against the manifest.

    Raises ComponentError when it is corrupt or holds other rows than the manifest says.
    """
    sqlite.check(path, full=full)
    found = sqlite.facts(path)
    if entry.tables is not None and dict(entry.tables) != found.tables:
        different = sorted({name for name, _ in entry.tables.items() ^ found.tables.items()})
        raise ComponentError(f"{entry.file} does not hold the rows that the manifest counts: {', '.join(different)}")
    if entry.records is not None and entry.records != found.records:
        raise ComponentError(f"{entry.file} holds {found.records} rows, the manifest counts {entry.records}")
