"""Import an archive file: verify it, store it at a destination, and adopt it."""

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
from backups.service.archives.fetch import HashingSink
from backups.service.archives.names import ATTEMPTS, archive_extension, archive_paths
from backups.service.archives.signatures import delete_signature, read_signature_file, signature_state, store_signature
from backups.service.archives.tree_listing import keep_archived
from backups.service.archives.verify import verify_file
from backups.service.catalogue.adopt import Examined, examine, record_adopted
from backups.service.drops.find import record_drops_of_adopted
from destinations.backends import Destination
from destinations.backends.base import BLOCK_SIZE
from destinations.exceptions import DestinationError, NameTaken
from destinations.lib.operator_error import OperatorError
from destinations.models import BackupDestination
from destinations.policies.encryption_policy import Policy

COMMENT = "imported"


def import_archive(path: Path, destination: BackupDestination, *, by: audit.Actor) -> BackupExecution:
    """Verify the archive file `path`, store it at `destination` and return its row. The file itself is kept.

    Raises ArchiveError or BackupError for an archive that cannot be restored or is stored already, DestinationError
    when it cannot be stored; nothing is left at the destination then.
    """
    try:
        if not destination.enabled:
            raise BackupError(f"Destination {destination.name} is disabled.", hint="Enable it, or choose another one.")
        sha256, blake2b = _digests(path)
        _refuse_known(sha256)
        # a bad signature is refused before anything is unpacked
        signature_state(path)
        with workspace(str(uuid4())) as directory:
            verified = verify_file(path, directory)
            found = examine(path, directory, sha256=sha256, blake2b=blake2b)
        if destination.policy == Policy.REQUIRED and not found.encryption:
            raise BackupError(f"{destination.name} takes encrypted archives only.", hint="Choose another destination.")
        with destination.open() as opened:
            backup = _store(opened, path, destination, found, verified.warnings, by)
        with workspace(str(uuid4())) as directory:
            keep_archived(backup, found.manifest, path, directory)
        record_drops_of_adopted([backup])
    except OperatorError as error:
        audit.log(
            "archive.import-refused", logging.WARNING, file=path.name, destination=destination.name,
            by=audit.name_of(by), error=error.message,
        )  # fmt: skip
        audit.note(by, destination, f"Import of {path.name} refused: {error.message}")
        raise
    return backup


def _digests(path: Path) -> tuple[str, str]:
    """Return SHA-256 and BLAKE2b of the file, in hexadecimal. Raises ArchiveError."""
    sink = HashingSink(signed=True)
    try:
        if not path.is_file():
            raise ArchiveError(f"{path} is not a file.", hint="Give the path of an archive.")
        with path.open("rb", buffering=0) as file:
            shutil.copyfileobj(file, sink, BLOCK_SIZE)
    except OSError as error:
        raise ArchiveError(
            f"{path} cannot be read: {error.strerror}.", hint="Check the path and the permissions."
        ) from error
    return sink.sha256.hexdigest(), sink.blake2b.hexdigest()


def _refuse_known(checksum: str) -> None:
    """Raise BackupError for an archive that is stored already."""
    known = BackupExecution.objects.stored().filter(archive_sha256=checksum)
    for backup in known.select_related("destination").without_manifest():
        try:
            with backup.destination.open() as opened:
                opened.stat(backup.backup_path)
        except DestinationError:
            # lost or out of reach: a second copy is useful
            continue
        raise BackupError(
            f"This archive is stored already: backup {backup.pk} at {backup.destination.name}.", hint="Use that one."
        )


def _store(
    opened: Destination,
    path: Path,
    destination: BackupDestination,
    found: Examined,
    warnings: list[str],
    by: audit.Actor,
) -> BackupExecution:
    """Upload the archive and record it."""
    token = new_id()
    # of whoever made the archive; this site does not sign it, because that would mean that it was made here
    signature = read_signature_file(path)
    stored = _put(opened, path, destination, found, token)
    try:
        if signature is not None:
            store_signature(opened, stored, signature.decode(), token=token)
        return record_adopted(
            destination, stored, found, by=by, comment=COMMENT, id=token, verified_at=timezone.now(), warnings=warnings
        )
    except BaseException:
        # also after a signal: no archive is left that is not recorded
        opened.delete(stored)
        delete_signature(opened, stored)
        raise


def _put(opened: Destination, path: Path, destination: BackupDestination, found: Examined, token: str) -> str:
    extension = archive_extension(found.compression, found.encryption)
    taken_at = found.taken_at or timezone.now()
    for name in archive_paths(found.manifest.instance_name, found.kind, taken_at, extension):
        recorded = destination.executions.filter(backup_path=name, deleted_at=None)
        # a missing archive with the same content is stored again at its own path
        if recorded.exclude(archive_sha256=found.sha256, missing_at__isnull=False).exists():
            continue
        try:
            with path.open("rb", buffering=0) as source:
                return opened.put(source, name, size=found.size_bytes, sha256=found.sha256, token=token).path
        except NameTaken:
            continue
    raise BackupError(f"{ATTEMPTS} archives at {destination.name} have the name of {name} already.")
