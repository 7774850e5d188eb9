"""Fetching an archive from its destination, checked against the checksum of the record."""

import hashlib
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO
from uuid import uuid4

from django.db import Error as DatabaseProblem
from django.utils import timezone

from backups.archive.errors import ArchiveError
from backups.archive.minisign import new_digest
from backups.errors import BackupError, PutOff
from backups.lib import audit
from backups.models import BackupCopy, BackupExecution
from backups.runs.finish import for_operator
from backups.runs.workspace import require_space, workspace
from backups.service.archives.budget import no_budget, settle
from backups.service.archives.leases import read_lease
from backups.service.archives.records.copies import REPEATED, change_copy, readable_copies
from backups.service.archives.records.missing import mark_damaged, mark_missing
from backups.service.archives.untrusted import report_untrusted
from destinations.exceptions import DestinationError, NotFound
from destinations.lib.operator_error import OperatorError, sentences
from destinations.lib.streams import Sink
from destinations.models import Reading


class HashingSink:
    """A sink that hashes what is written, and passes it on to `target`; `blake2b` is computed with `signed` only."""

    def __init__(self, target: Sink | None = None, *, signed: bool = False) -> None:
        self.target = target
        self.sha256 = hashlib.sha256()
        self.blake2b = new_digest()
        self._signed = signed

    def write(self, data: bytes) -> int:
        self.sha256.update(data)
        if self._signed:
            self.blake2b.update(data)
        return len(data) if self.target is None else self.target.write(data)


@dataclass(frozen=True, slots=True)
class Fetched:
    """A downloaded archive, the copy that it is of, and why nearer copies were not taken: one sentence each."""

    path: Path
    copy: BackupCopy
    notes: tuple[str, ...] = ()


def fetch(backup: BackupExecution, directory: Path, *, progress: Callable[[int], None] | None = None) -> Path:
    """Download the archive of `backup` as `fetch_nearest`, and return its path."""
    return fetch_nearest(backup, directory, progress=progress).path


def fetch_nearest(
    backup: BackupExecution,
    directory: Path,
    *,
    progress: Callable[[int], None] | None = None,
    among: Callable[[BackupCopy], bool] = lambda copy: True,
    order: Callable[[list[BackupCopy]], list[BackupCopy]] = lambda nearest_first: nearest_first,
    within_budget: bool = False,
) -> Fetched:
    """Download the nearest sound copy of `backup` (`among` those, in another `order`) into `directory` (0600).

    One that is missing or changed is marked as such, and the next one is taken, as when a destination does not answer.
    What is read counts against the daily reading budget; `within_budget` passes over a copy for which that has no room.
    Raises BackupError when the backup has no archive. When no copy can be had, the first error is raised: ArchiveError
    for a file that is not the one that was recorded, DestinationError when it cannot be downloaded. Where a sound copy
    is at a destination that did not answer, it is the error of that one; where one was passed over, PutOff.
    """
    if not backup.has_archive:
        state = "missing" if backup.is_missing else "deleted" if backup.deleted_at else backup.status
        raise BackupError(f"Backup {backup.pk} has no archive: it is {state}.")
    copies = order([copy for copy in readable_copies(backup) if among(copy)])
    if not copies:
        raise BackupError(f"Backup {backup.pk} has no copy to read.", hint="See the table of copies on its page.")
    errors: list[tuple[BackupCopy, OperatorError]] = []
    with read_lease(backup):
        for copy in copies:
            require_space(directory, copy.size_bytes or 0)
            path = directory / PurePosixPath(copy.path).name
            try:
                with _counted(copy, path, within_budget):
                    _download(copy, path, progress)
            except Exception as error:
                path.unlink(missing_ok=True)
                if not _is_about_the_copy(error):
                    raise
                where = copy.destination.name
                errors.append((copy, for_operator(error, "copy.crashed", backup=backup.pk, destination=where)))
                report_untrusted(copy, errors[-1][1])
                continue
            if copy.damaged_at is not None:
                change_copy(copy, damaged_at=None, error="", error_hint="", next_try_at=None)
            notes = tuple(f"The copy at {bad.destination.name} was not used: {error.message}" for bad, error in errors)
            if errors:
                audit.log("copy.fallback", logging.WARNING, backup=backup.pk, destination=copy.destination.name)
            backup.refresh_from_db(fields=REPEATED)
            return Fetched(path, copy, notes)
    backup.refresh_from_db(fields=REPEATED)
    # a damaged archive says nothing about the one that could not be asked for: no verdict may follow from it
    unknown = (e for copy, e in errors if copy.is_sound and not isinstance(e, ArchiveError | NotFound))
    put_off = (e for _, e in errors if isinstance(e, PutOff))
    raise next(put_off, None) or next(unknown, errors[0][1])


@contextmanager
def _counted(copy: BackupCopy, path: Path, within_budget: bool) -> Iterator[None]:
    """Count what is fetched of `copy` to `path`. Raises PutOff when it has to fit into the budget, and does not."""
    destination, size = copy.destination, copy.size_bytes or 0
    reading = Reading.within_budget(destination, size) if within_budget else Reading.unlimited(destination)
    if reading is None:
        raise no_budget(copy)
    try:
        yield
    finally:
        settle(reading, path.stat().st_size if path.exists() else 0)


def _is_about_the_copy(error: Exception) -> bool:
    """False for a cancel, and for a workspace or a database of the site that cannot be written."""
    if isinstance(error, OperatorError):
        return isinstance(error, ArchiveError | DestinationError | PutOff)
    return not isinstance(error, OSError | DatabaseProblem)


def _download(copy: BackupCopy, path: Path, progress: Callable[[int], None] | None) -> None:
    with path.open("xb") as file, copy.destination.open() as destination:
        path.chmod(0o600)
        sink = HashingSink(file)
        try:
            destination.get(copy.path, sink, progress=progress)
        except NotFound:
            mark_missing(copy, timezone.now())
            raise
    if sink.sha256.hexdigest() != copy.sha256:
        error = ArchiveError(
            f"{copy.path} at {copy.destination.name} is not what was uploaded: its SHA-256 differs.",
            hint="It was changed or damaged there: use another backup, and find out who can write to that destination.",
        )
        mark_damaged(copy, timezone.now(), error.message)
        raise error


def download_backup(backup: BackupExecution, *, by: audit.Actor) -> BinaryIO:
    """Fetch the archive for a person as `download_named`, and return the open file."""
    return download_named(backup, by=by)[1]


def download_named(backup: BackupExecution, *, by: audit.Actor) -> tuple[str, BinaryIO]:
    """Fetch the archive for a person; return the name of the copy that was fetched, and it as an open, unlinked file.

    Raises OperatorError, for a damaged archive too.
    """
    with workspace(str(uuid4())) as directory:
        fetched = fetch_nearest(backup, directory)
        path = fetched.path
        # stays readable when the workspace is deleted, and is freed when it is closed
        file = os.fdopen(os.open(path, os.O_RDONLY), "rb")
    fields = {"backup": backup.pk, "instance": backup.instance, "by": audit.name_of(by)}
    audit.log("backup.downloaded", file=path.name, destination=fetched.copy.destination.name, **fields)
    audit.note(by, backup, sentences(f"Downloaded {path.name}", *fetched.notes))
    return path.name, file
