"""A Django storage that `settings.BACKUP_STORAGE_ALIASES` names, of whatever package."""

from collections.abc import Iterator
from functools import partial
from typing import Any

from django import forms
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.files import File
from django.core.files.base import ContentFile
from django.core.files.storage import InvalidStorageError, Storage, storages

from destinations.backends.base import BLOCK_SIZE, Progress, Step, StoredFile, UploadState
from destinations.backends.base.place import Place
from destinations.backends.remote import RemoteDestination, Write
from destinations.backends.storage import listings
from destinations.backends.storage.errors import explain
from destinations.backends.storage.markers import LONGEST, Marker
from destinations.backends.storage.options import TYPE, check, option_fields
from destinations.backends.storage.source import Content, Source
from destinations.exceptions import (
    DestinationConfigError,
    DestinationError,
    DestinationFull,
    DestinationUnavailable,
    NameTaken,
    NotFound,
)
from destinations.lib.formats import human_size
from destinations.network.errors import from_library_error
from destinations.network.hosts import THIS_MACHINE
from destinations.transfer.blocks import compare
from destinations.transfer.digest import Digest
from destinations.transfer.upload import Upload, Wanted
from destinations.transfer.watch import Meter

MIB = 1024 * 1024


# archives in them are lost with this machine
KINDS_OF_THIS_MACHINE = frozenset(
    f"django.core.files.storage.{name}"
    for name in ("FileSystemStorage", "filesystem.FileSystemStorage", "InMemoryStorage", "memory.InMemoryStorage")
)


class StorageDestination(RemoteDestination):
    type = TYPE
    label = "Django storage (a package of your own)"
    reads_back = True
    compares_all = True

    _storage: Storage | None = None
    # whether a thread is within `save`, also one that was left behind
    _saving = False
    # of the upload under way
    _marker: Marker | None = None

    # --- options --------------------------------------------------------------------------------------------------
    @classmethod
    def own_fields(cls) -> dict[str, forms.Field]:
        return option_fields()

    @classmethod
    def check_options(cls, options: dict[str, object]) -> dict[str, object]:
        return check(options)

    def location(self) -> str:
        return f"storage://{self.options['alias']}/{self.options['location']}".rstrip("/")

    def canonical_place(self) -> Place:
        alias = str(self.options["alias"])
        kind = settings.STORAGES.get(alias, {}).get("BACKEND", "")
        host = THIS_MACHINE if kind in KINDS_OF_THIS_MACHINE else ""
        return Place.at(self.type, alias, folder=str(self.options["location"] or ""), host=host)

    @property
    def where(self) -> str:
        return f"the storage {self.options['alias']}"

    # --- the storage ----------------------------------------------------------------------------------------------
    def _open(self) -> Storage:
        if self._storage is None:
            alias = str(self.options["alias"])
            try:
                # one of its own: few storages may be used by two threads
                self._storage = storages.create_storage(settings.STORAGES[alias])
            except KeyError:
                raise DestinationConfigError(
                    f"STORAGES of the settings has no alias {alias!r}.",
                    "Add it there, or take it out of BACKUP_STORAGE_ALIASES.",
                    "alias",
                ) from None
            except (InvalidStorageError, ImproperlyConfigured, TypeError) as error:
                raise DestinationConfigError(
                    f"The storage {alias!r} cannot be made ({type(error).__name__}).",
                    "Check its BACKEND and OPTIONS in STORAGES, and that its package is installed.",
                    "alias",
                ) from error
        return self._storage

    def remote_close(self) -> None:
        # there is no way to end a request of a storage: its thread is left behind
        self._storage = None

    def remote_error(self, error: Exception, action: str) -> DestinationError | None:
        return from_library_error(error, action, self.where, explain)

    def connection_steps(self) -> Iterator[Step]:
        yield "storage", partial(self._call, "make the storage", lambda: type(self._open()).__name__)

    def _name(self, path: str) -> str:
        return f"{self.options['location']}/{path}".strip("/")

    def _require(self, path: str) -> str:
        """Return the name of the file in the storage. Raises `NotFound`."""
        name = self._name(path)
        if not self._open().exists(name):
            raise NotFound(f"{path} is not in {self.where}.", "See what is listed there.")
        return name

    # --- uploads --------------------------------------------------------------------------------------------------
    def put(
        self,
        source: Any,
        path: str,
        *,
        size: int,
        token: str,
        sha256: str | None = None,
        progress: Progress | None = None,
        state: UploadState | None = None,
    ) -> StoredFile:
        most = int(str(self.options["max_size"])) * MIB
        if size > most:
            raise DestinationFull(
                f"{path} has {human_size(size)}, and {self.where} takes files of at most {human_size(most)}.",
                "Use another destination, or raise the option max_size if the storage holds no whole file in memory.",
            )
        return super().put(source, path, size=size, token=token, sha256=sha256, progress=progress, state=state)

    def remote_send(self, upload: Upload, state: UploadState) -> None:
        storage, wanted, begun = self._open(), upload.wanted, False
        if self._saving:
            # that thread cannot be ended, and what it still does to the name would be done to the file of this one
            raise self._held(wanted)
        self._saving = True
        marker = self._marker = Marker.of(wanted)
        try:
            if storage.exists(self._name(wanted.part_path)):
                # of an earlier try, whose file is no other program's
                self._remove(storage, wanted.path)
                self._remove(storage, wanted.part_path)
            elif storage.exists(self._name(wanted.path)):
                raise self._taken(wanted)
            self._save(storage, wanted, wanted.part_path, ContentFile(marker.data))
            with Source(upload) as source:
                begun = True
                self._save(storage, wanted, wanted.path, Content(source, wanted.name))  # type: ignore[arg-type]
            upload.require_all_read()
        except BaseException as error:
            # here, because another thread cannot know when the storage stops to write; by then another process may
            # have stored the file
            if self._marker_of(storage, wanted) == marker:
                if begun and not isinstance(error, NameTaken):
                    self._remove(storage, wanted.path)
                self._remove(storage, wanted.part_path)
            raise
        finally:
            self._saving = False

    def remote_try(self, upload: Upload, state: UploadState) -> bool:
        # what an upload begins with: a file of a few bytes, which no listing shows
        if self._saving:
            raise self._held(upload.wanted)
        self._saving = True
        marker = self._marker = Marker.of(upload.wanted)
        try:
            self._save(self._open(), upload.wanted, upload.wanted.part_path, ContentFile(marker.data))
        finally:
            self._saving = False
        return True

    def _save(self, storage: Storage, wanted: Wanted, path: str, content: "File[Any]") -> None:
        name = self._name(path)
        stored = storage.save(name, content)
        if stored != name:
            # the name was taken meanwhile, and the storage chose another one
            storage.delete(stored)
            raise self._taken(wanted)

    def _remove(self, storage: Storage, path: str) -> None:
        if storage.exists(self._name(path)):
            storage.delete(self._name(path))

    def remote_check(self, upload: Upload) -> None:
        path, where = upload.wanted.path, f"{self.location()}/{upload.wanted.path}"
        compare(where, "size", upload.wanted.size, self._open().size(self._name(path)))
        if self.must_read_back(upload):
            compare(where, "SHA-256", upload.sha256, self.hash_of(path))

    def remote_publish(self, upload: Upload) -> None:
        storage, marker = self._open(), upload.wanted.part_path
        self._remove(storage, marker)
        # some packages return from a deletion that was refused
        if storage.exists(self._name(marker)):
            raise DestinationUnavailable(
                f"Cannot publish {upload.wanted.path} at {self.where}: {marker}, which hides it, is not deleted.",
                "Give the storage the right to delete, and options with which it does.",
            )

    def _is_published(self, upload: Upload, progress: Progress | None) -> bool:
        marker = self._name(upload.wanted.part_path)
        if self._once(f"look for {marker}", lambda: self._open().exists(marker), progress, Meter()):
            return False
        return super()._is_published(upload, progress)

    def remote_discard(self, wanted: Wanted, state: UploadState) -> None:
        if self._saving:
            raise self._held(wanted)
        storage = self._open()
        marker = self._marker_of(storage, wanted)
        # the process that stored it died, or was cut off, between the last byte and the end
        if (
            marker is not None
            and storage.exists(self._name(wanted.path))
            and (marker == self._marker or not self._is_whole(wanted.path, marker))
        ):
            storage.delete(self._name(wanted.path))
        self._remove(storage, wanted.part_path)

    def _marker_of(self, storage: Storage, wanted: Wanted) -> Marker | None:
        name = self._name(wanted.part_path)
        if not storage.exists(name):
            return None
        with storage.open(name) as file:
            return Marker.parse(file.read(LONGEST))

    def _held(self, wanted: Wanted) -> DestinationUnavailable:
        return DestinationUnavailable(
            f"An earlier try to store {wanted.path} hangs in {self.where}, and nothing can end it.",
            "See why the storage does not answer. What it leaves is removed with the partial uploads.",
        )

    def _is_whole(self, path: str, marker: Marker) -> bool:
        size, digest = 0, Digest()

        def update(block: bytes) -> None:
            nonlocal size
            self._meter.checkpoint()
            size += len(block)
            digest.update(block)

        self.remote_receive(path, 0, update)
        return marker.fits(size, digest.hexdigest())

    # --- files ----------------------------------------------------------------------------------------------------
    def remote_receive(self, path: str, offset: int, write: Write) -> None:
        with self._open().open(self._require(path)) as file:
            file.seek(offset)
            while block := file.read(BLOCK_SIZE):
                write(block)

    def remote_list(self, folder: str, prefix: str) -> Iterator[StoredFile]:
        return listings.files(self._open(), self._name(""), folder, prefix, self._meter.checkpoint)

    def remote_is_empty(self) -> bool:
        try:
            folders, files = self._open().listdir(self._name(""))
        except FileNotFoundError:
            return True
        return not folders and not any(files)

    def remote_stat(self, path: str) -> StoredFile:
        return listings.stored(self._open(), self._require(path), path)

    def remote_delete(self, path: str) -> None:
        self._open().delete(self._require(path))
