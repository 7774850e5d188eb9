"""Taking in an archive file from anywhere: verified first, then stored and recorded like a backup of ours."""

import logging
import shutil
from pathlib import Path
from uuid import uuid4

from django.utils import timezone

from backups.archive.errors import ArchiveError
from backups.errors import BackupError
from backups.lib import audit
from backups.models import BackupExecution
from backups.models.run import new_id
from backups.runs.workspace import workspace
from backups.service.archives.hashing import HashingSink
from backups.service.archives.names import ATTEMPTS, archive_extension, archive_paths
from backups.service.archives.signatures import delete_signature, signature_state, store_signature, text_beside
from backups.service.archives.tree_listing import keep_archived
from backups.service.archives.verify import verify_file
from backups.service.catalogue.adopt import Examined, examine, record_adopted
from backups.service.drops.find import judge_adopted
from destinations.backends import Destination
from destinations.backends.base import BLOCK_SIZE
from destinations.exceptions import DestinationError, NameTaken
from destinations.lib.operator_error import OperatorError
from destinations.models import BackupDestination
from destinations.policies.encryption_policy import Policy

COMMENT = "imported"


def import_archive(path: Path, destination: BackupDestination, *, by: audit.Actor) -> BackupExecution:
    """Verify the archive file `path`, store it at `destination` and return its row. The file stays where it is.

    Raises ArchiveError or BackupError for what cannot be restored or is here already, DestinationError when it
    cannot be stored; then nothing is left.
    """
    try:
        execution = _import(path, destination, by)
    except OperatorError as error:
        audit.log(
            "archive.import-refused", logging.WARNING, file=path.name, destination=destination.name,
            by=audit.name_of(by), error=error.message,
        )  # fmt: skip
        audit.note(by, destination, f"Import of {path.name} refused: {error.message}")
        raise
    return execution


def _import(path: Path, destination: BackupDestination, by: audit.Actor) -> BackupExecution:
    if not destination.enabled:
        raise BackupError(f"destination {destination.name} is disabled", hint="enable it, or choose another one")
    sha256, blake2b = _digests(path)
    _refuse_known(sha256)
    signature_state(path)
    with workspace(str(uuid4())) as directory:
        verified = verify_file(path, directory)
        found = examine(path, directory, sha256=sha256, blake2b=blake2b)
    if destination.policy == Policy.REQUIRED and not found.encryption:
        raise BackupError(f"{destination.name} takes encrypted archives only", hint="choose another destination")
    with destination.open() as opened:
        execution = _store(opened, path, destination, found, verified.warnings, by)
    with workspace(str(uuid4())) as directory:
        keep_archived(execution, found.manifest, path, directory)
    judge_adopted([execution])
    return execution


def _digests(path: Path) -> tuple[str, str]:
    """Return SHA-256 and BLAKE2b of the file, in hexadecimal. Raises ArchiveError."""
    sink = HashingSink(signed=True)
    try:
        if not path.is_file():
            raise ArchiveError(f"{path} is not a file", hint="give the path of an archive")
        with path.open("rb", buffering=0) as file:
            shutil.copyfileobj(file, sink, BLOCK_SIZE)
    except OSError as error:
        raise ArchiveError(
            f"{path} cannot be read: {error.strerror}", hint="check the path and the permissions"
        ) from error
    return sink.sha256.hexdigest(), sink.blake2b.hexdigest()


def _refuse_known(checksum: str) -> None:
    """Refuse an archive that is recorded and certainly there; a copy is welcome where that one cannot be reached."""
    known = BackupExecution.objects.stored().filter(archive_sha256=checksum)
    for execution in known.select_related("destination").without_manifest():
        if _is_there(execution):
            raise BackupError(
                f"this archive is here already: backup {execution.pk} at {execution.destination.name}",
                hint="use that one",
            )


def _is_there(execution: BackupExecution) -> bool:
    try:
        with execution.destination.open() as opened:
            opened.stat(execution.backup_path)
    except DestinationError:
        return False
    return True


def _store(
    opened: Destination,
    path: Path,
    destination: BackupDestination,
    found: Examined,
    warnings: list[str],
    by: audit.Actor,
) -> BackupExecution:
    """Store and record. Its signature goes with it; there is none of ours, which would say that it was made here."""
    token, signature = new_id(), text_beside(path)
    stored = _put(opened, path, destination, found, token)
    try:
        if signature is not None:
            store_signature(opened, stored, signature.decode(), token=token)
        return record_adopted(
            destination, stored, found, by=by, comment=COMMENT, id=token, verified_at=timezone.now(), warnings=warnings
        )
    except BaseException:
        opened.delete(stored)
        delete_signature(opened, stored)
        raise


def _put(opened: Destination, path: Path, destination: BackupDestination, found: Examined, token: str) -> str:
    extension = archive_extension(found.compression, found.encryption)
    taken_at = found.taken_at or timezone.now()
    for name in archive_paths(found.manifest.instance_name, found.kind, taken_at, extension):
        recorded = destination.executions.filter(backup_path=name, deleted_at=None)
        # the row of a lost archive gets this copy of it, at its own place
        if recorded.exclude(archive_sha256=found.sha256, missing_at__isnull=False).exists():
            continue
        try:
            with path.open("rb", buffering=0) as source:
                return opened.put(source, name, size=found.size_bytes, sha256=found.sha256, token=token).path
        except NameTaken:
            continue
    raise BackupError(f"{ATTEMPTS} archives have the name of {name} at {destination.name} already")
