"""A folder on this machine, or a mounted share, below `settings.BACKUP_ROOT`.

`BACKUP_ROOT` is never made here: a missing one is an unmounted disk. The destination's own folder is made by the first
`put`; once archives were stored, a missing or empty one means an unmounted disk and is an error, for reading and for
writing.
"""

import os
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO

from django import forms
from django.conf import settings

from destinations.backends.base import Destination, Progress, StoredFile, UploadState
from destinations.backends.base.place import Place
from destinations.backends.local.folder import Folder
from destinations.backends.local.listing import files_in
from destinations.backends.local.root import open_root, segments_below_root
from destinations.backends.local.writing import write_blocks
from destinations.exceptions import DestinationConfigError, DestinationError, DestinationUnavailable, NotFound
from destinations.lib.formats import as_text
from destinations.lib.moments import from_seconds
from destinations.lib.mounts import mount_of, mounts
from destinations.lib.streams import Sink
from destinations.transfer.blocks import blocks_of, check_free_space, compare
from destinations.transfer.digest import Digest
from destinations.transfer.paths import (
    is_filename,
    part_name,
    part_token,
    validate_path,
    validate_prefix,
)


class LocalDestination(Destination):
    type = "local"
    label = "Local folder"
    off_box = False

    @classmethod
    def fields(cls) -> dict[str, forms.Field]:
        return {
            "path": forms.CharField(
                label="Folder",
                max_length=512,
                help_text="Relative to BACKUP_ROOT, or absolute inside it; blank takes the name of the destination. "
                "It cannot be changed while archives are there.",
            ),
            "append_only": cls.append_only_field(),
        }

    @classmethod
    def default_options(cls, name: str) -> dict[str, object]:
        return {"path": name}

    @classmethod
    def check_options(cls, options: dict[str, object]) -> dict[str, object]:
        return options | {"path": "/".join(segments_below_root(str(options["path"]), settings.BACKUP_ROOT))}

    def location(self) -> str:
        # it is shown and logged: a name need not be UTF-8
        return as_text(str(self.folder()))

    def canonical_place(self) -> Place:
        return Place.at(self.type, folder=str(self.options["path"]))

    def real_place(self) -> Place:
        # below it no link is followed, and a share that does not answer would hold this up
        path = Path(settings.BACKUP_ROOT).resolve() / str(self.options["path"])
        if (mount := mount_of(path, mounts())) is None:
            return self.canonical_place()
        return Place.at(self.type, mount.device, folder=str(mount.root / path.relative_to(mount.point)))

    def folder(self) -> Path:
        return Path(settings.BACKUP_ROOT, str(self.options["path"]))

    def exposure(self, path: str) -> str:
        # as it is now: another mount of the same share has other modes, and CIFS ignores the change without an error
        *folders, name = validate_path(path).split("/")
        with self._open(*folders) as folder:
            mode = stat.S_IMODE(folder.stat(name).st_mode)
        if not mode & (stat.S_IRWXG | stat.S_IRWXO):
            return ""
        return (
            f"Files at {self.location()} have mode {mode:04o} instead of 0600: who may read the archives there is "
            "decided by the options of the mount, such as umask=077."
        )

    def is_same_place(self, other: Destination) -> bool:
        if super().is_same_place(other):
            return True
        # two names of one folder: a bind mount, or a file system that ignores case
        mine, theirs = self._identity(), other._identity() if isinstance(other, LocalDestination) else None
        return mine is not None and mine == theirs

    def _identity(self) -> tuple[int, int] | None:
        """Return device and inode of the folder as every use of it opens it; None where that is not possible."""
        try:
            with open_root() as root, self._own_folder(root, create=False) as own:
                info = os.fstat(own.descriptor)
        except DestinationError:
            return None
        return info.st_dev, info.st_ino

    def put(
        self,
        source: BinaryIO,
        path: str,
        *,
        size: int,
        token: str,
        sha256: str | None = None,
        progress: Progress | None = None,
        state: UploadState | None = None,
    ) -> StoredFile:
        *folders, name = validate_path(path).split("/")
        part = part_name(name, token)
        with self._open(*folders, create=True) as folder:
            folder.refuse_taken(name)
            check_free_space(folder.where, size, folder.free_space())
            with folder.draft(part) as descriptor:
                write_blocks(descriptor, blocks_of(source, size, progress), f"{folder.where}/{part}")
                # The disk writes while the processor hashes.
                with ThreadPoolExecutor(1) as beside:
                    flushed = beside.submit(folder.flush, descriptor, part)
                    _verify(folder, part, size, sha256, progress)
                    flushed.result()
                return _stored(path, folder.publish(part, name))

    def get(self, path: str, sink: Sink, *, progress: Progress | None = None) -> int:
        *folders, name = validate_path(path).split("/")
        received = 0
        with self._open(*folders) as folder:
            expected = folder.stat(name).st_size
            for block in folder.read_blocks(name):
                received += len(block)
                # before it is written: the disk here must not fill with a file that grows while it is read
                if received > expected:
                    break
                sink.write(block)
                if progress:
                    progress(len(block))
            # it may have been cut, or have grown, while it was read
            compare(f"{folder.where}/{name}", "size", expected, received)
        return received

    def list(self, prefix: str = "") -> Iterator[StoredFile]:
        for path, info in self._walk(validate_prefix(prefix)):
            if is_filename(path.rpartition("/")[2]):
                yield _stored(path, info)

    def list_partials(self) -> Iterator[StoredFile]:
        for path, info in self._walk(""):
            if part_token(path.rpartition("/")[2]) is not None:
                yield _stored(path, info)

    def stat(self, path: str) -> StoredFile:
        *folders, name = validate_path(path).split("/")
        with self._open(*folders) as folder:
            return _stored(path, folder.stat(name))

    def delete(self, path: str) -> None:
        self.require_deletable(path)
        *folders, name = validate_path(path).split("/")
        with self._open(*folders) as folder:
            folder.stat(name)
            # a deletion is recorded only when the file is seen to be gone
            folder.remove(name)
            folder.refuse_taken(name)

    def delete_partial(self, path: str) -> None:
        self.require_deletable(path)
        *folders, name = path.split("/")
        token = part_token(name)
        if token is None:
            raise DestinationConfigError(f"{path!r} is not the name of an upload under way.", "Use delete() for files.")
        validate_path("/".join([*folders, name.removesuffix(part_name("", token))]))
        with self._open(*folders) as folder:
            folder.remove(name, missing_ok=True)

    def free_space(self) -> int | None:
        try:
            with self._open() as folder:
                return folder.free_space()
        except NotFound:
            with open_root() as root:
                return root.free_space()

    def require_reachable(self) -> None:
        try:
            with self._open() as folder:
                folder.require_writable()
        except NotFound:  # the first upload makes it
            with open_root() as root:
                root.require_writable()

    def _open(self, *folders: str, create: bool = False) -> Folder:
        with open_root() as root, self._own_folder(root, create=create) as own:
            # an unmounted disk leaves its empty mount point, which a backup must not fill
            if self.established and not any(is_filename(name) for name, _ in own.entries()):
                raise self._vanished("is empty")
            return own.descend(folders, create=create)

    def _own_folder(self, root: Folder, *, create: bool) -> Folder:
        try:
            return root.descend(str(self.options["path"]).split("/"), create=create and not self.established)
        except NotFound as error:
            if self.established:
                raise self._vanished("is gone") from error
            raise

    def _vanished(self, state: str) -> DestinationUnavailable:
        return DestinationUnavailable(
            f"The folder {self.location()} {state}, although archives were stored in it.",
            "Mount the disk or share that holds it. If it was replaced by an empty one on purpose, "
            "run 'manage.py testdestination NAME --accept-empty'.",
        )

    def _walk(self, prefix: str) -> Iterator[tuple[str, os.stat_result]]:
        try:
            folder = self._open(*filter(None, prefix.split("/")))
        except NotFound:
            return
        with folder:
            yield from files_in(folder, f"{prefix}/" if prefix else "")


def _verify(folder: Folder, part: str, size: int, sha256: str | None, progress: Progress | None) -> None:
    where = f"{folder.where}/{part}"
    compare(where, "size", size, folder.stat(part).st_size)
    if sha256 is None:
        return
    digest = Digest()
    for block in folder.read_blocks(part):
        digest.update(block)
        if progress:
            progress(0)
    compare(where, "SHA-256", sha256, digest.hexdigest())


def _stored(path: str, info: os.stat_result) -> StoredFile:
    return StoredFile(path, info.st_size, from_seconds(info.st_mtime))
