"""Import an archive file: verify it, store it at a destination, and adopt it."""

import logging
import shutil
from collections.abc import Iterator
from pathlib import Path

from django.utils import timezone

from backups.archive.errors import ArchiveError
from backups.errors import BackupError, Interrupted
from backups.lib import audit
from backups.lib.os_signals import defer_signals
from backups.models import BackupCopy, BackupExecution
from backups.models.run import new_id
from backups.runs.queue.ownership import process_owner_fields
from backups.runs.recovery.reap_waiting import reap_queued
from backups.runs.workspace import workspace
from backups.service.archives.budget import settle
from backups.service.archives.fetch import HashingSink
from backups.service.archives.names import ATTEMPTS, archive_extension, archive_paths
from backups.service.archives.records.adopted import note_adopted
from backups.service.archives.records.copies import unused_names
from backups.service.archives.records.imported import complete_import, insert_import, plan_import, renew_import
from backups.service.archives.signatures import read_signature_file, signature_state, store_signature
from backups.service.archives.trees.listing import keep_archived
from backups.service.archives.verify import verify_file
from backups.service.backup.remove import remove_archive
from backups.service.catalogue.adopt import Examined, adopted_row, attach_copy, examine, known_elsewhere, record_moved
from backups.service.drops.find import record_drops_of_adopted
from backups.service.retention.stored import copies_at
from destinations.backends import Destination
from destinations.backends.base import BLOCK_SIZE, Progress
from destinations.exceptions import DestinationError, NameTaken
from destinations.lib.operator_error import OperatorError
from destinations.models import BackupDestination, Reading
from destinations.policies.encryption_policy import Policy

COMMENT = "imported"
Status = BackupExecution.Status


def import_archive(path: Path, destination: BackupDestination, *, by: audit.Actor) -> BackupExecution:
    """Verify the archive file `path`, store it at `destination` and return its row. The file itself is kept.

    An archive that the destination lost gets its own row back, and one that another destination lost becomes a copy of
    the same backup here. Raises ArchiveError or BackupError for an archive that
    cannot be restored or is stored already, DestinationError when it cannot be stored; nothing is left at the
    destination then.
    """
    try:
        if not destination.enabled:
            raise BackupError(f"Destination {destination.name} is disabled.", hint="Enable it, or choose another one.")
        # completes an import of the same archive whose process died
        reap_queued()
        sha256, blake2b = _digests(path)
        _refuse_known(sha256)
        # a bad signature is refused before anything is unpacked
        signature_state(path)
        token = new_id()
        # locked before the row is inserted: a row whose process lives always has its lock
        with workspace(token) as directory:
            verified = verify_file(path, directory)
            found = examine(path, directory, sha256=sha256, blake2b=blake2b)
            if destination.policy == Policy.REQUIRED and not found.encryption:
                raise BackupError(
                    f"{destination.name} takes encrypted archives only.", hint="Choose another destination."
                )
            # of this destination, or of another one that lost it or does not answer: it stays one backup
            known = copies_at(destination).filter(sha256=sha256).first() or known_elsewhere(destination, sha256)
            with destination.open() as opened:
                if known is not None:
                    backup = _store_again(opened, path, found, known, destination, verified.warnings, by)
                else:
                    row = adopted_row(
                        destination, found, comment=COMMENT, warnings=verified.warnings, **process_owner_fields(token)
                    )
                    backup = _store(opened, path, found, row, by)
        with workspace(new_id()) as directory:
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
    known = BackupCopy.objects.stored().filter(sha256=checksum, missing_at=None).select_related("destination")
    for copy in known:
        try:
            with copy.destination.open() as opened:
                size = opened.stat(copy.path).size_bytes
        except DestinationError:
            # lost or out of reach: a second copy is useful
            continue
        if size != copy.size_bytes:
            # cut or replaced there
            continue
        raise BackupError(
            f"This archive is stored already: backup {copy.execution_id} at {copy.destination.name}.",
            hint="Use that one.",
        )


def _store(
    opened: Destination, path: Path, found: Examined, backup: BackupExecution, by: audit.Actor
) -> BackupExecution:
    """Insert the row of the import, upload the archive and complete the row."""
    # checked before: of a pair that does not fit together nothing is stored
    signature = read_signature_file(path)
    insert_import(backup)
    stored = ""
    try:
        for name in _free_names(backup.destination, found):
            plan_import(backup, name)
            try:
                stored = _put(opened, backup.destination, path, name, found, backup.pk, lambda _: renew_import(backup))
            except NameTaken:
                continue
            break
        if signature is not None:
            # of whoever made the archive; this site does not sign it, which would mean that it was made here
            store_signature(opened, stored, signature.decode(), token=backup.pk)
        complete_import(backup, stored)
    except BaseException:
        with defer_signals():
            _undo(opened, backup, stored)
        raise
    note_adopted(backup, by=by)
    return backup


def _undo(opened: Destination, backup: BackupExecution, stored: str) -> None:
    """Delete what the failed import has stored, then its row; one that another process ended keeps it."""
    # another host may have taken this process for dead, found the archive and completed the row
    _delete_unrecorded(opened, backup, stored)
    BackupExecution.objects.filter(pk=backup.pk, status=Status.QUEUED).delete()


def _delete_unrecorded(opened: Destination, backup: BackupExecution, stored: str) -> None:
    """Delete the archive `stored` unless a copy of `backup` names it."""
    recorded = BackupCopy.objects.stored().filter(execution=backup.pk, path=stored, missing_at=None)
    if stored and not recorded.exists():
        remove_archive(opened, stored)


def _store_again(
    opened: Destination,
    path: Path,
    found: Examined,
    known: BackupCopy,
    destination: BackupDestination,
    warnings: list[str],
    by: audit.Actor,
) -> BackupExecution:
    """Store an archive that is recorded as `known`, and was lost, at `destination`; its backup goes on."""
    signature = read_signature_file(path)
    # a process that dies after the upload leaves a lost archive at a known path, which the next sync records
    token = new_id()
    own = known.destination_id == destination.pk
    stored = ""
    try:
        for name in _free_names(destination, found, but=known if own else None):
            try:
                stored = _put(opened, destination, path, name, found, token)
            except NameTaken:
                continue
            break
        if signature is not None:
            store_signature(opened, stored, signature.decode(), token=token)
        columns = {"verified_at": timezone.now(), "warnings": warnings}
        if own:
            recorded = record_moved(known, stored, **columns)
        else:
            recorded = attach_copy(known, destination, stored) is not None
        if not recorded:
            raise Interrupted(
                f"Backup {known.execution_id} was changed by another process meanwhile, or has another copy at"
                f" {destination.name}.",
                hint="Look at its page, then import it again.",
            )
    except BaseException:
        # also after a signal: no archive is left that is not recorded
        with defer_signals():
            _delete_unrecorded(opened, known.execution, stored)
        raise
    backup = BackupExecution.objects.select_related("destination").get(pk=known.execution_id)
    audit.note(by, backup, f"{COMMENT} again: {stored} at {destination.name}.")
    return backup


def _free_names(destination: BackupDestination, found: Examined, *, but: BackupCopy | None = None) -> Iterator[str]:
    """Yield names for the archive that no row has or plans; `but` is the row whose own name is free.

    Raises BackupError after the last one.
    """
    extension = archive_extension(found.compression, found.encryption)
    taken_at = found.taken_at or timezone.now()
    planned = destination.copies.exclude(state=BackupCopy.State.DELETED)
    if but is not None:
        planned = planned.exclude(pk=but.pk)
    imports = destination.executions.active()
    names = list(archive_paths(found.manifest.instance_name, found.kind, taken_at, extension))
    for name in unused_names(names, destination, but=but):
        if not planned.filter(planned_path=name).exists() and not imports.filter(planned_path=name).exists():
            yield name
    raise BackupError(f"{ATTEMPTS} archives at {destination.name} have the name of {names[-1]} already.")


def _put(
    opened: Destination,
    destination: BackupDestination,
    path: Path,
    name: str,
    found: Examined,
    token: str,
    progress: Progress | None = None,
) -> str:
    with path.open("rb", buffering=0) as source:
        stored = opened.put(source, name, size=found.size_bytes, sha256=found.sha256, token=token, progress=progress)
    # a person waits for it: what is read back is counted, and never left out
    settle(Reading.unlimited(destination), opened.bytes_read_back)
    return stored.path
