"""Keeping the catalogue true to what lies at a destination, up to rebuilding it from nothing."""

import logging
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from uuid import uuid4

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone

from backups.lib import audit
from backups.models import BackupExecution
from backups.models.querysets import MISSING, STORED
from backups.runs.workspace import require_space, workspace
from backups.service.archives.hashing import HashingSink
from backups.service.archives.tree_listing import keep_archived
from backups.service.catalogue.adopt import examine, record_adopted
from backups.service.catalogue.partials import remember
from backups.service.catalogue.scan import Scan, scan
from backups.service.drops.find import judge_adopted
from destinations.backends import Destination, StoredFile
from destinations.exceptions import DestinationError, NotFound
from destinations.lib.operator_error import OperatorError
from destinations.models import BackupDestination

Status = BackupExecution.Status


@dataclass(slots=True)
class Imported:
    """What was done about what the scan found.

    `moved` archives had been recorded at another path, `refused` names files and why, `waiting` those not tried yet.
    """

    scan: Scan
    adopted: list[BackupExecution] = field(default_factory=list)
    moved: list[BackupExecution] = field(default_factory=list)
    refused: list[tuple[str, str]] = field(default_factory=list)
    missing: list[BackupExecution] = field(default_factory=list)
    returned: list[BackupExecution] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    waiting: list[StoredFile] = field(default_factory=list)


def look(destination: BackupDestination) -> Scan:
    """Return what lies at `destination`. Raises DestinationError."""
    with destination.open() as opened:
        return scan(opened, destination, timezone.now())


def import_backups(
    destination: BackupDestination, *, by: audit.Actor, now: datetime | None = None, until: datetime | None = None
) -> Imported:
    """Adopt unknown archives, mark missing ones, welcome returned ones, remove temporary files that nobody finishes.

    Each adopted archive is fetched and every member is compared with its manifest; one that is damaged or cannot be
    opened is refused, the others go on. `until` is when to stop adopting. Raises DestinationError when the
    destination cannot be listed: then nothing was changed.
    """
    now = now or timezone.now()
    with destination.open() as opened:
        done = Imported(scan(opened, destination, now))
        _mark(done, destination, now)
        _clean(opened, done, destination, now)
        for file in done.scan.unknown:
            if until is not None and timezone.now() >= until:
                done.waiting.append(file)
            else:
                _adopt(opened, destination, file, done, by)
    judge_adopted(done.adopted)
    done.missing = [execution for execution in done.missing if execution not in done.moved]
    audit.log(
        "catalogue.imported", destination=destination.name, by=audit.name_of(by), adopted=len(done.adopted),
        refused=len(done.refused), missing=len(done.missing), returned=len(done.returned), removed=len(done.removed),
        moved=len(done.moved), waiting=len(done.waiting),
    )  # fmt: skip
    return done


def _mark(done: Imported, destination: BackupDestination, now: datetime) -> None:
    for execution in done.scan.missing:
        if execution.moved(Status.COMPLETED, STORED, Q(deleting_at=None), missing_at=now):
            done.missing.append(execution)
            _log("backup.missing", execution, destination, logging.ERROR)
    for execution in done.scan.returned:
        if execution.moved(Status.COMPLETED, MISSING, missing_at=None):
            done.returned.append(execution)
            _log("backup.returned", execution, destination, logging.INFO)
    for execution, size in done.scan.changed:
        _log("backup.changed", execution, destination, logging.ERROR, size=size)


def _log(event: str, execution: BackupExecution, destination: BackupDestination, level: int, **more: object) -> None:
    audit.log(
        event, level, execution=execution.pk, instance=execution.instance, destination=destination.name,
        file=execution.backup_path, **more,
    )  # fmt: skip


def _clean(opened: Destination, done: Imported, destination: BackupDestination, now: datetime) -> None:
    leftovers = done.scan.leftovers
    for path in [leftover.file.path for leftover in leftovers if leftover.orphan]:
        try:
            opened.delete_partial(path)
        except DestinationError as error:
            _refuse(done, destination, path, error.message)
        else:
            done.removed.append(path)
            audit.log("catalogue.part-removed", destination=destination.name, file=path)
    remember(destination, [leftover for leftover in leftovers if not leftover.orphan], now)


def _adopt(
    opened: Destination, destination: BackupDestination, file: StoredFile, done: Imported, by: audit.Actor
) -> None:
    try:
        execution = _fetch_and_record(opened, destination, file, by)
        (done.moved if execution in done.missing else done.adopted).append(execution)
    except (NotFound, IntegrityError):
        # deleted, or recorded by somebody else, since the scan
        audit.log("catalogue.skipped", destination=destination.name, file=file.path)
    except OperatorError as error:
        _refuse(done, destination, file.path, error.message)
    except OSError as error:
        _refuse(done, destination, file.path, f"it cannot be written to the workspace: {error.strerror}")


def _refuse(done: Imported, destination: BackupDestination, path: str, reason: str) -> None:
    done.refused.append((path, reason))
    audit.log("catalogue.refused", logging.WARNING, destination=destination.name, file=path, error=reason)


def _fetch_and_record(
    opened: Destination, destination: BackupDestination, file: StoredFile, by: audit.Actor
) -> BackupExecution:
    with workspace(str(uuid4())) as directory:
        require_space(directory, file.size_bytes)
        path = directory / Path(file.path).name
        with path.open("xb") as target:
            sink = HashingSink(target, signed=True)
            opened.get(file.path, sink)
        found = examine(path, directory, sha256=sink.sha256.hexdigest(), blake2b=sink.blake2b.hexdigest())
        with transaction.atomic():
            execution = record_adopted(destination, file.path, found, by=by, comment="found at the destination")
        keep_archived(execution, found.manifest, path, directory)
    return execution
