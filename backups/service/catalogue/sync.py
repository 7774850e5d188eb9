"""Sync the catalogue with a destination: adopt archives, mark missing ones, delete orphaned partial uploads.

This also rebuilds a lost catalogue from nothing.
"""

import logging
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from uuid import uuid4

from django.db import IntegrityError, transaction
from django.utils import timezone

from backups.archive.errors import NotPossibleHere
from backups.lib import audit
from backups.models import BackupCopy, BackupExecution
from backups.runs.recovery.reap_waiting import reap_queued
from backups.runs.workspace import require_space, workspace
from backups.service.archives.budget import settle
from backups.service.archives.fetch import HashingSink
from backups.service.archives.records.copies import seen_at
from backups.service.archives.records.missing import mark_changed, mark_missing, mark_returned, record_expired
from backups.service.archives.signatures import check_signature
from backups.service.archives.trees.listing import keep_archived
from backups.service.backup.settle import settle_uploads
from backups.service.catalogue.adopt import attach_copy, examine, known_elsewhere, record_adopted, record_moved
from backups.service.catalogue.partials import record_seen
from backups.service.catalogue.scan import Scan, scan
from backups.service.drops.find import record_drops_of_adopted
from backups.service.retention.stored import copies_at
from destinations.backends import Destination, StoredFile
from destinations.exceptions import DestinationError, NotFound
from destinations.lib.operator_error import OperatorError
from destinations.models import BackupDestination, Reading


@dataclass(slots=True)
class Imported:
    """What was done about the findings of `scan`.

    `moved` archives were recorded at another path. `attached` backups are recorded for another destination, and have a
    copy here from now on. `copies` are paths of archives that are recorded, and whole, at
    another. `refused` are paths and reasons, `waiting` files are not tried yet.
    """

    scan: Scan
    adopted: list[BackupExecution] = field(default_factory=list)
    moved: list[BackupExecution] = field(default_factory=list)
    attached: list[BackupExecution] = field(default_factory=list)
    copies: list[tuple[str, BackupExecution]] = field(default_factory=list)
    refused: list[tuple[str, str]] = field(default_factory=list)
    missing: list[BackupExecution] = field(default_factory=list)
    returned: list[BackupExecution] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    waiting: list[StoredFile] = field(default_factory=list)


def scan_destination(destination: BackupDestination) -> Scan:
    """Scan `destination`. Raises DestinationError."""
    with destination.open() as opened:
        return scan(opened, destination, timezone.now())


def import_backups(
    destination: BackupDestination, *, by: audit.Actor, now: datetime | None = None, until: datetime | None = None
) -> Imported:
    """Adopt unknown archives, mark missing and returned ones, delete orphaned partial uploads.

    Each adopted archive is fetched and compared with its manifest; one that is damaged, or that
    cannot be opened here, is refused, and the others follow.
    No archive is begun after `until`. Raises DestinationError when the destination cannot be listed: then nothing was
    changed.
    """
    now = now or timezone.now()
    # an import whose process died is completed by its row, not adopted
    reap_queued()
    # so is a backup whose end is not known
    settle_uploads(destination, now=now, until=until)
    with destination.open() as opened:
        done = Imported(scan(opened, destination, now))
        done.missing, done.returned = mark_found(done.scan, destination, now)
        partials = done.scan.leftovers
        for path in [partial.file.path for partial in partials if partial.orphan]:
            try:
                opened.delete_partial(path)
            except DestinationError as error:
                _refuse(done, destination, path, error.message)
            else:
                done.removed.append(path)
                audit.log("catalogue.part-removed", destination=destination.name, file=path)
        record_seen(destination, [partial for partial in partials if not partial.orphan], now)
        for file in done.scan.unknown:
            if until is not None and timezone.now() >= until:
                done.waiting.append(file)
            else:
                _adopt(opened, destination, file, done, by)
    record_drops_of_adopted(done.adopted)
    # an archive that was found at another path is not missing
    done.missing = [backup for backup in done.missing if backup not in done.moved]
    audit.log(
        "catalogue.imported", destination=destination.name, by=audit.name_of(by), adopted=len(done.adopted),
        refused=len(done.refused), missing=len(done.missing), returned=len(done.returned), removed=len(done.removed),
        moved=len(done.moved), attached=len(done.attached), copies=len(done.copies), waiting=len(done.waiting),
    )  # fmt: skip
    return done


def mark_found(
    found: Scan, destination: BackupDestination, now: datetime
) -> tuple[list[BackupExecution], list[BackupExecution]]:
    """Record which archives are missing and which are back, log those that changed; return the first two."""
    missing = [backup for backup in found.missing if mark_missing(found.copies[backup.pk], now)]
    for backup in found.expired:
        record_expired(found.copies[backup.pk], now)
    returned = [backup for backup in found.returned if mark_returned(found.copies[backup.pk])]
    for backup, size in found.changed:
        audit.log(
            "backup.changed", logging.ERROR, backup=backup.pk, instance=backup.instance, destination=destination.name,
            file=backup.backup_path, size=size,
        )  # fmt: skip
        mark_changed(found.copies[backup.pk], now, size)
    return missing, returned


def _adopt(
    opened: Destination, destination: BackupDestination, file: StoredFile, done: Imported, by: audit.Actor
) -> None:
    changed = {row.pk for row, _ in done.scan.changed}
    try:
        with workspace(str(uuid4())) as directory:
            require_space(directory, file.size_bytes)
            path = directory / Path(file.path).name
            with path.open("xb") as target:
                sink = HashingSink(target, signed=True)
                settle(Reading.unlimited(destination), opened.get(file.path, sink))
            same = copies_at(destination).filter(sha256=sink.sha256.hexdigest()).first()
            if same is not None and same.is_sound and same.execution_id not in changed:
                # one archive at one destination is one backup: a second row would count twice in retention
                done.copies.append((file.path, seen_at(same)))
                audit.log("catalogue.copy", destination=destination.name, file=file.path, backup=same.execution_id)
                return
            if same is None and (known := known_elsewhere(destination, sink.sha256.hexdigest())) is not None:
                # the same file is a backup already: here it is one more copy of that, and counts once
                check_signature(opened, file.path, sink.blake2b.hexdigest())
                if (attached := attach_copy(known, destination, file.path)) is not None:
                    audit.note(by, attached, f"Found a copy at {destination.name}: {file.path}.")
                    done.attached.append(attached)
                    _record_lock(opened, destination, file.path)
                else:
                    done.copies.append((file.path, seen_at(known)))
                return
            found = examine(path, directory, sha256=sink.sha256.hexdigest(), blake2b=sink.blake2b.hexdigest())
            if same is not None and record_moved(same, file.path):
                backup = seen_at(same)
            else:
                with transaction.atomic():
                    backup = record_adopted(destination, file.path, found, by=by, comment="found at the destination")
            keep_archived(backup, found.manifest, path, directory)
        (done.adopted if same is None else done.moved).append(backup)
        _record_lock(opened, destination, file.path)
    except (NotFound, IntegrityError):
        # deleted, or recorded by another process, since the scan
        audit.log("catalogue.skipped", destination=destination.name, file=file.path)
    except NotPossibleHere as error:
        # the archive may be good: what it needs is missing on this host
        _refuse(done, destination, file.path, error.text)
    except OperatorError as error:
        _refuse(done, destination, file.path, error.message)
    except OSError as error:
        _refuse(done, destination, file.path, f"It cannot be written to the workspace: {error.strerror}.")


def _record_lock(opened: Destination, destination: BackupDestination, path: str) -> None:
    """Record the end of the lock that an adopted archive has, which no listing tells."""
    if opened.can_lock and (until := opened.stat(path).locked_until) is not None:
        BackupCopy.objects.filter(destination=destination, path=path).update(locked_until=until)


def _refuse(done: Imported, destination: BackupDestination, path: str, reason: str) -> None:
    done.refused.append((path, reason))
    audit.log("catalogue.refused", logging.WARNING, destination=destination.name, file=path, error=reason)
