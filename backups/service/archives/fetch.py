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
    """A sink that hashes what is written, and passes it on to `target`; `blake2b` is computed with `signed` only.

    `size` is in bytes.
    """

    def __init__(self, target: Sink | None = None, *, signed: bool = False) -> None:
        self.target = target
        self.sha256 = hashlib.sha256()
        self.blake2b = new_digest()
        self.size = 0
        self._signed = signed

    def write(self, data: bytes) -> int:
        self.size += len(data)
        self.sha256.update(data)
        if self._signed:
            self.blake2b.update(data)
        return len(data) if self.target is None else self.target.write(data)


class ComparingSink:
    """A sink that compares what is written with a file, from its beginning on."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._equal = True

    def write(self, data: bytes) -> int:
        self._equal = self._equal and self._file.read(len(data)) == data
        return len(data)

    def is_equal(self) -> bool:
        """Return whether the whole file was written, and nothing else."""
        return self._equal and not self._file.read(1)


@dataclass(frozen=True, slots=True)
class Fetched:
    """A downloaded archive, the copy that it is of, and why nearer copies were not taken: one sentence each."""

    path: Path
    copy: BackupCopy
    notes: tuple[str, ...] = ()


def fetch(
    backup: BackupExecution,
    directory: Path,
    *,
    progress: Callable[[int], None] | None = None,
    known: Path | None = None,
) -> Path:
    """Download the archive of `backup` as `fetch_nearest`, and return its path."""
    return fetch_nearest(backup, directory, progress=progress, known=known).path


def fetch_nearest(
    backup: BackupExecution,
    directory: Path,
    *,
    progress: Callable[[int], None] | None = None,
    among: Callable[[BackupCopy], bool] = lambda copy: True,
    order: Callable[[list[BackupCopy]], list[BackupCopy]] = lambda nearest_first: nearest_first,
    within_budget: bool = False,
    known: Path | None = None,
) -> Fetched:
    """Download the nearest sound copy of `backup` (`among` those, in another `order`) into `directory` (0600).

    One that is missing or changed is marked as such, and the next one is taken, as when a destination does not answer.
    A file `known`, which was uploaded as that archive, is compared with the copy and stays; no new one is written then.
    What is read counts against the daily reading budget; `within_budget` passes over a copy for which that has no room.
    Raises BackupError when the backup has no archive, or `known` is another file. When no copy can be had, the first
    error is raised: ArchiveError for a file that is not the one that was recorded, DestinationError when it cannot be
    downloaded. Where a sound copy is at a destination that did not answer, it is the error of that one; where one was
    passed over, PutOff.
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
            if known is None:
                require_space(directory, copy.size_bytes or 0)
            path = known or directory / PurePosixPath(copy.path).name
            sink = HashingSink()
            try:
                with _counted(copy, sink, within_budget):
                    _download(copy, path, sink, progress, exists=known is not None)
            except Exception as error:
                if known is None:
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
def _counted(copy: BackupCopy, sink: HashingSink, within_budget: bool) -> Iterator[None]:
    """Count what is fetched of `copy` into `sink`. Raises PutOff when it has to fit into the budget, and does not."""
    destination, size = copy.destination, copy.size_bytes or 0
    reading = Reading.within_budget(destination, size) if within_budget else Reading.unlimited(destination)
    if reading is None:
        raise no_budget(copy)
    try:
        yield
    finally:
        settle(reading, sink.size)


def _is_about_the_copy(error: Exception) -> bool:
    """False for a cancel, and for a workspace or a database of the site that cannot be written."""
    if isinstance(error, OperatorError):
        return isinstance(error, ArchiveError | DestinationError | PutOff)
    return not isinstance(error, OSError | DatabaseProblem)


def _download(
    copy: BackupCopy, path: Path, sink: HashingSink, progress: Callable[[int], None] | None, *, exists: bool
) -> None:
    """Download `copy` through `sink` into the new file `path`, or compare it with the one that `exists`."""
    with path.open("rb" if exists else "xb") as file, copy.destination.open() as destination:
        compared = ComparingSink(file) if exists else None
        if compared is None:
            path.chmod(0o600)
        sink.target = compared or file
        try:
            destination.get(copy.path, sink, progress=progress)
        except NotFound:
            mark_missing(copy, timezone.now())
            raise
        differs = compared is not None and not compared.is_equal()
    if sink.sha256.hexdigest() != copy.sha256:
        error = ArchiveError(
            f"{copy.path} at {copy.destination.name} is not what was uploaded: its SHA-256 differs.",
            hint="It was changed or damaged there: use another backup, and find out who can write to that destination.",
        )
        mark_damaged(copy, timezone.now(), error.message)
        raise error
    if differs:
        raise BackupError(
            f"{path} is not the archive that was uploaded from it.", hint="Check the disk of BACKUP_WORKSPACE_ROOT."
        )


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
