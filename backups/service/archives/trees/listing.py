"""Writing the entry lists of an archive's trees: while they are packed, or later from the archive."""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from uuid import uuid4

from backups.archive.errors import ArchiveError
from backups.archive.manifest.document import Manifest
from backups.archive.manifest.entry import Entry
from backups.archive.tar.member_file import open_member
from backups.components import ExportedPart
from backups.components.files.listing import ListedEntry, entries_in, write_list
from backups.components.files.read import NestedTar
from backups.errors import ComponentError
from backups.lib import audit
from backups.models import BackupExecution
from backups.runs.workspace import workspace
from backups.service.archives.open import open_archive
from backups.service.archives.trees.lists import has_list, keep
from destinations.exceptions import DestinationConfigError
from destinations.lib.operator_error import OperatorError

Progress = Callable[[int], None]


def keep_exported(
    backup: BackupExecution, parts: Sequence[ExportedPart], entries: Sequence[Entry], progress: Progress
) -> list[str]:
    """Keep the lists written while trees were packed; return a warning for each that could not be encrypted."""
    by_file = {entry.file: entry for entry in entries}
    warnings = []
    for part in parts:
        if part.listing is not None and (entry := by_file.get(part.name)) is not None:
            try:
                with part.listing.open("rb") as file:
                    keep(backup, entry, file, progress)
            # there is no valid BACKUP_SECRETS_KEY: the archive is complete without the list
            except DestinationConfigError as error:
                warnings.append(
                    f"The list of the entries of {part.component} was not kept, so a preview of this backup cannot say"
                    f" which files a restore removes: {error.message}"
                )
    return warnings


def keep_unpacked(
    backup: BackupExecution | None, manifest: Manifest, directory: Path, progress: Progress = lambda _: None
) -> None:
    """Keep lists of the trees in `directory`, which has verified members, that `backup` has no list of."""
    if backup is None:
        return
    for entry in _unlisted(backup, manifest):
        if (directory / entry.file).is_file():
            # in a file: the list of a large tree does not fit into memory
            with _logged_errors(backup, entry), TemporaryFile(dir=directory) as made:
                with (directory / entry.file).open("rb") as tar:
                    write_list(tar, entry.file, made)
                made.seek(0)
                keep(backup, entry, made, progress)


def keep_archived(
    backup: BackupExecution, manifest: Manifest, archive: Path, directory: Path, progress: Progress = lambda _: None
) -> None:
    """Keep lists of the trees in the file `archive` that `backup` has no list of; `directory` is scratch."""
    for entry in _unlisted(backup, manifest):
        with _logged_errors(backup, entry), TemporaryFile(dir=directory) as made:
            with open_archive(archive, directory) as stream, open_member(stream, entry) as member:
                write_list(member, entry.file, made)
            made.seek(0)
            keep(backup, entry, made, progress)


def _unlisted(backup: BackupExecution, manifest: Manifest) -> list[Entry]:
    return [entry for entry in manifest.contents if entry.is_tree and not has_list(backup, entry)]


@contextmanager
def _logged_errors(backup: BackupExecution, entry: Entry) -> Iterator[None]:
    """Log errors: without a list the archive is still good, only previews cannot compare."""
    try:
        yield
    except (ArchiveError, ComponentError, DestinationConfigError, OSError) as error:
        reason = error.message if isinstance(error, OperatorError) else type(error).__name__
        audit.log("backup.list-not-kept", logging.WARNING, backup=backup.pk, file=entry.file, error=reason)


@contextmanager
def archived_entries(archive: Path, entry: Entry) -> Iterator[Iterator[ListedEntry]]:
    """Yield the entries of the tree that `entry` holds in the archive file `archive`.

    They are verified only when the block ends without an error. Raises ArchiveError, BackupError or OSError.
    """
    with (
        workspace(str(uuid4())) as directory,
        open_archive(archive, directory) as stream,
        open_member(stream, entry) as member,
    ):
        yield entries_in(NestedTar(member, entry.file))
