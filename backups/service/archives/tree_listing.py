"""Listing what the trees of an archive hold: as they are packed, or wherever the archive is at hand later."""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from uuid import uuid4

from backups.archive.errors import ArchiveError
from backups.archive.manifest.document import Manifest
from backups.archive.manifest.entry import Entry
from backups.archive.tar.member_file import reading_member
from backups.components import ExportedPart
from backups.components.files.listing import ListedEntry, entries_in, write_list
from backups.components.files.read import NestedTar
from backups.errors import ComponentError
from backups.lib import audit
from backups.models import BackupExecution
from backups.runs.workspace import workspace
from backups.service.archives.open import opened
from backups.service.archives.tree_lists import has_list, keep
from destinations.exceptions import DestinationConfigError
from destinations.lib.operator_error import OperatorError

Progress = Callable[[int], None]


def keep_exported(
    execution: BackupExecution, parts: Sequence[ExportedPart], entries: Sequence[Entry], progress: Progress
) -> list[str]:
    """Keep the lists that were written while trees were packed; return a warning for each that could not be sealed."""
    by_file = {entry.file: entry for entry in entries}
    warnings = []
    for part in parts:
        if part.listing is not None and (entry := by_file.get(part.name)) is not None:
            try:
                with part.listing.open("rb") as file:
                    keep(execution, entry, file, progress)
            except DestinationConfigError as error:
                warnings.append(
                    f"the list of the entries of {part.component} was not kept, so a preview of this backup cannot say"
                    f" which files a restore takes away: {error.message}"
                )
    return warnings


def keep_unpacked(
    execution: BackupExecution | None, manifest: Manifest, directory: Path, progress: Progress = lambda _: None
) -> None:
    """Keep the lists of the trees in `directory`, where verified members lie, as far as `execution` has none."""
    if execution is None:
        return
    for entry in _unlisted(execution, manifest):
        if (directory / entry.file).is_file():
            with _said(execution, entry), TemporaryFile(dir=directory) as made:
                with (directory / entry.file).open("rb") as tar:
                    write_list(tar, entry.file, made)
                made.seek(0)
                keep(execution, entry, made, progress)


def keep_archived(
    execution: BackupExecution, manifest: Manifest, archive: Path, directory: Path, progress: Progress = lambda _: None
) -> None:
    """Keep the lists of the trees in the file `archive`, as far as `execution` has none; `directory` is scratch."""
    for entry in _unlisted(execution, manifest):
        with _said(execution, entry), TemporaryFile(dir=directory) as made:
            with opened(archive, directory) as stream, reading_member(stream, entry) as member:
                write_list(member, entry.file, made)
            made.seek(0)
            keep(execution, entry, made, progress)


def _unlisted(execution: BackupExecution, manifest: Manifest) -> list[Entry]:
    return [entry for entry in manifest.contents if entry.is_tree and not has_list(execution, entry)]


@contextmanager
def _said(execution: BackupExecution, entry: Entry) -> Iterator[None]:
    """Without its list an archive is as good as before, and previews say that they cannot compare."""
    try:
        yield
    except (ArchiveError, ComponentError, DestinationConfigError, OSError) as error:
        reason = error.message if isinstance(error, OperatorError) else type(error).__name__
        audit.log("backup.list-not-kept", logging.WARNING, execution=execution.pk, file=entry.file, error=reason)


@contextmanager
def archived_entries(archive: Path, entry: Entry) -> Iterator[Iterator[ListedEntry]]:
    """Yield the entries of the tree that `entry` holds in the archive file `archive`.

    They are only to be believed when the block was left without an error. Raises ArchiveError, BackupError or OSError.
    """
    with (
        workspace(str(uuid4())) as directory,
        opened(archive, directory) as stream,
        reading_member(stream, entry) as member,
    ):
        yield entries_in(NestedTar(member, entry.file), entry.file)
