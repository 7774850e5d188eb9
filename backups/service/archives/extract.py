"""Extracting an archive into a folder: to inspect it, for a drill, or on a host without its service."""

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from backups.archive.manifest.document import Entry, Manifest
from backups.archive.manifest.names import MANIFEST_NAME
from backups.archive.tar.read import unpack
from backups.components.files.unkept import Unkept
from backups.components.files.unpack import unpack_tree
from backups.errors import BackupError
from backups.instances import inventory
from backups.instances.site_paths import all_site_paths
from backups.lib import audit
from backups.lib.filesystem.atomic import FOLDER, create_private, discard
from backups.lib.filesystem.ownership import Ownership, ownership_for
from backups.lib.site_paths import SitePath, SitePaths
from backups.models import BackupExecution
from backups.runs.workspace import workspace
from backups.service.archives.fetch import fetch_nearest
from backups.service.archives.open import open_archive
from backups.service.archives.openable import may_open, require_key
from backups.service.archives.verify import check_database, manifest_of_file

Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Extracted:
    """What was extracted into `directory`: plain `files`, and `trees` as folders named after their component.

    `notes` are about tables that cannot be checked here, and about what entries of trees could not be given: `unkept`.
    """

    manifest: Manifest
    directory: Path
    files: tuple[Entry, ...]
    trees: tuple[Entry, ...]
    notes: tuple[str, ...] = ()
    unkept: frozenset[str] = frozenset()

    @property
    def entries(self) -> tuple[Entry, ...]:
        return self.files + self.trees

    @property
    def size_bytes(self) -> int:
        return sum(entry.size_bytes for entry in self.entries)

    @property
    def rows(self) -> int:
        return sum(entry.records or 0 for entry in self.entries)


def extract(
    source: BackupExecution | Path, directory: Path, components: Sequence[str] = (), *, by: audit.Actor
) -> Extracted:
    """Verify the archive and extract `components`, all by default, into the new or empty folder `directory`.

    Raises OperatorError; nothing is left in `directory` then.
    """
    # an extracted copy must not become part of a service, or lie between archives
    known = [one for one in inventory().instances.values() if not one.service.is_this_site]
    roots = SitePaths(
        SitePath(f"instance {instance.name}", root) for instance in known for root in instance.service.root.allowed
    )
    if (place := roots.holding(directory)) is not None:
        raise _taken(directory, place.path, place.what)
    if (place := all_site_paths().holding(directory)) is not None:
        raise _taken(directory, place.path, f"the {place.what} of this site")
    with workspace(str(uuid4())) as scratch:
        if isinstance(source, Path):
            archive = source
        else:
            require_key(source)
            archive = fetch_nearest(source, scratch, among=may_open).path
        done = unpack_archive(archive, directory, scratch, components)
    # single files get their recorded permissions, as trees have them; those without a record stay 0600
    for entry in done.files:
        if entry.permissions is not None:
            descriptor = os.open(directory / entry.file, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                # as of unknown origin: nothing becomes writable for others
                ownership_for(entry.permissions.as_untrusted(), os.fstat(descriptor)).set_on_new(descriptor)
            finally:
                os.close(descriptor)
    fields = {"directory": directory, "files": len(done.entries), "by": audit.name_of(by)}
    if isinstance(source, BackupExecution):
        audit.log("backup.extracted", backup=source.pk, instance=source.instance, **fields)
        audit.note(by, source, f"Extracted into {directory}.")
    else:
        audit.log("backup.extracted", archive=source, instance=done.manifest.instance_name, **fields)
    return done


def unpack_archive(
    archive: Path,
    directory: Path,
    scratch: Path,
    components: Sequence[str] = (),
    *,
    keep_tars: bool = False,
    trusted: bool = False,
    progress: Progress = lambda _: None,
) -> Extracted:
    """Unpack the archive file `archive` into `directory`, check every database, and unpack nested tars to folders.

    `scratch` takes what has to be decrypted. With `keep_tars` the nested tars stay beside their folders. What is not
    `trusted` gets no privileges.
    """
    manifest = manifest_of_file(archive)
    for name in components:
        if name not in manifest.components:
            raise BackupError(
                f"The archive has no component {name!r} to unpack.", hint=f"Valid: {', '.join(manifest.components)}."
            )
    entries = [entry for entry in manifest.contents if not components or entry.component in components]
    made = not directory.exists()
    trees = tuple(entry for entry in entries if entry.is_tree)
    parent = directory if directory.is_dir() else directory.parent
    if not parent.is_dir():
        raise BackupError(f"{parent} is not a folder, so {directory.name} cannot be created in it.")
    # a tree needs its size twice, for the nested tar and for the folder
    needed = sum(entry.size_bytes for entry in (*entries, *trees))
    if (free := shutil.disk_usage(parent).free) < needed:
        raise BackupError(
            f"{parent} has {free:,} bytes free, this needs about {needed:,}.", hint="Name a folder on a larger disk."
        )
    try:
        with open_archive(archive, scratch) as stream:
            unpack(stream, directory, names=[entry.file for entry in entries], progress=progress)
        with _emptied_on_error(directory, made=made):
            notes = [
                note
                for entry in entries
                if entry.type == "database"
                for note in check_database(directory / entry.file, entry, checkpoint=progress)
            ]
            attributes = set[str]()
            for entry in trees:
                unkept = _unpack_tree(directory, entry, progress, keep_tar=keep_tars, trusted=trusted)
                notes += unkept.notes(directory / entry.file.removesuffix(".tar"))
                attributes |= unkept.found.keys()
            with create_private(directory / MANIFEST_NAME) as file:
                file.write(manifest.to_json())
    except OSError as error:
        raise BackupError(
            f"{directory} cannot be written: {error.strerror}.", hint="Check space and permissions there."
        ) from error
    files = tuple(entry for entry in entries if entry not in trees)
    return Extracted(manifest, directory, files, trees, tuple(notes), frozenset(attributes))


def _taken(directory: Path, root: Path, whose: str) -> BackupError:
    return BackupError(f"{directory} lies in {root}, of {whose}.", hint="Name a folder somewhere else.")


def _unpack_tree(directory: Path, entry: Entry, progress: Progress, *, keep_tar: bool, trusted: bool) -> Unkept:
    # the nested tar of a tree is named after its component
    tree = directory / entry.file.removesuffix(".tar")
    tree.mkdir(mode=0o700)
    descriptor = os.open(tree, FOLDER)
    try:
        otherwise = Ownership.of(os.fstat(descriptor))
        unkept = unpack_tree(directory / entry.file, descriptor, otherwise, progress, trusted=trusted)
    finally:
        os.close(descriptor)
    if not keep_tar:
        (directory / entry.file).unlink()
    return unkept


@contextmanager
def _emptied_on_error(directory: Path, *, made: bool) -> Iterator[None]:
    """Delete everything in `directory`, which was new or empty before; with `made` the folder too."""
    try:
        yield
    except BaseException:
        for path in directory.iterdir():
            discard(path)
        if made:
            directory.rmdir()
        raise
