"""Verifying an archive: every checksum, a complete manifest, the integrity of every database."""

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from uuid import uuid4

from backups.archive.manifest.document import Entry, Manifest
from backups.archive.tar.read import read_manifest, unpack
from backups.components import sqlite
from backups.components.files.format.header import FOLDER, HARD_LINK, Member
from backups.components.files.index import IndexWriter
from backups.components.files.read import BUFFER_BYTES, NestedTar
from backups.errors import ComponentError
from backups.runs.workspace import require_space, workspace
from backups.service.archives.open import open_archive
from destinations.lib.streams import SkippingSource

Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Verified:
    """A verified archive: every part agrees with the manifest. `signature` says who signed it.

    `notes` are about tables that cannot be checked here. `destination` is that of the copy that was read, if it is one.
    """

    manifest: Manifest
    databases: int
    signature: str = ""
    notes: tuple[str, ...] = ()
    destination: str = ""

    @property
    def warnings(self) -> list[str]:
        """Return those of the backup and of the verification, which often are the same."""
        return list(dict.fromkeys([*self.manifest.warnings, *self.notes]))


@dataclass(frozen=True, slots=True)
class Unpacked:
    """The databases of an archive, unpacked in `directory`; every member has the checksum of the manifest."""

    manifest: Manifest
    directory: Path
    databases: tuple[Entry, ...]


def manifest_of_file(path: Path) -> Manifest:
    """Return the manifest of the archive file `path`. Raises ArchiveError."""
    with workspace(str(uuid4())) as directory, open_archive(path, directory) as stream:
        return read_manifest(stream)


def verify_file(path: Path, directory: Path) -> Verified:
    """Unpack the archive `path` below `directory`, hashing every member, and check each database in it."""
    unpacked = unpack_databases(path, directory)
    notes = check_databases(unpacked)
    return Verified(unpacked.manifest, len(unpacked.databases), notes=tuple(notes))


def unpack_databases(path: Path, directory: Path, progress: Progress = lambda _: None) -> Unpacked:
    """Unpack the databases of the archive `path` below `directory`, hashing every member and reading every tree.

    Raises ArchiveError, and ComponentError for a tree that a restore would refuse.
    """
    manifest = manifest_of_file(path)
    databases = tuple(entry for entry in manifest.contents if entry.type == "database")
    # the other members are hashed as they are read, and not written
    require_space(directory, sum(entry.size_bytes for entry in databases))
    scratch = directory / "verify"
    trees = {entry.file: partial(read_tree, entry=entry) for entry in manifest.contents if entry.is_tree}
    with open_archive(path, directory) as stream:
        unpack(stream, scratch, names=[entry.file for entry in databases], progress=progress, readers=trees)
    return Unpacked(manifest, scratch, databases)


def check_tree(path: Path, entry: Entry, index: Path | None = None) -> None:
    """Read the headers of the nested tar of `entry`; write its index into the new file `index`.

    Raises ComponentError when a restore would refuse it.
    """
    with path.open("rb", buffering=BUFFER_BYTES) as file:
        if index is None:
            read_tree(file, entry)
            return
        with closing(IndexWriter(index)) as writer:
            read_tree(file, entry, lambda member, tar: writer.add(member, tar.segments, file.tell()))
            writer.finish()


def read_tree(
    file: SkippingSource, entry: Entry, note: Callable[[Member, NestedTar], None] = lambda member, tar: None
) -> None:
    """Read the nested tar of `entry`; `note` is called with each member, before its content.

    Raises ComponentError when a restore would refuse it, or it holds other files.
    """
    files = file_bytes = 0
    tar = NestedTar(file, entry.file)
    for member in tar.members():
        note(member, tar)
        files += member.type != FOLDER
        file_bytes += 0 if member.type == HARD_LINK else member.size
    for what, found, listed in (("files and links", files, entry.files), ("bytes", file_bytes, entry.file_bytes)):
        if listed is not None and found != listed:
            raise ComponentError(f"{entry.file} holds {found:,} {what}, the manifest counts {listed:,}.")


def check_databases(unpacked: Unpacked, progress: Progress = lambda _: None) -> list[str]:
    """Check each database that was unpacked, as `check_database` does; `progress` gets its bytes."""
    notes = []
    for entry in unpacked.databases:
        notes += check_database(unpacked.directory / entry.file, entry, checkpoint=progress)
        progress(entry.size_bytes)
    return notes


def check_database(path: Path, entry: Entry, *, full: bool = False, checkpoint: Progress = lambda _: None) -> list[str]:
    """Check the unpacked database of `entry` and count its rows against the manifest.

    Returns notes about tables that cannot be checked or counted here. Raises ComponentError when it is corrupt or holds
    other rows than the manifest says, and what `checkpoint` raises.
    """
    unchecked = sqlite.check(path, full=full, checkpoint=checkpoint)
    found = sqlite.facts(path, checkpoint=checkpoint)
    if entry.tables is not None:
        # a table that was not counted when the backup was made has no number to compare
        different = found.differences(entry.tables, [item.table for item in entry.not_counted])
        if different:
            raise ComponentError(
                f"{entry.file} does not hold the rows that the manifest counts: {', '.join(different)}."
            )
    if None not in (entry.records, found.records) and entry.records != found.records:
        raise ComponentError(f"{entry.file} holds {found.records} rows, the manifest counts {entry.records}.")
    return [
        *sqlite.unchecked_notes(unchecked, entry.file),
        *sqlite.unchecked_notes(found.uncounted, entry.file, counting=True),
    ]
