"""A destination that is a folder on a server: the steps of `RemoteSteps` by way of a `RemoteFolder`."""

from abc import abstractmethod
from collections.abc import Iterator
from typing import Generic, Protocol, TypeVar

from django import forms

from destinations.backends.base import StoredFile, UploadState
from destinations.backends.remote.destination import RemoteDestination
from destinations.backends.remote.folder import RemoteFolder
from destinations.backends.remote.steps import Write
from destinations.transfer.blocks import compare
from destinations.transfer.upload import Upload, Wanted


class OptionsModule(Protocol):
    """The module with the options of a type; one of them is `base_path`, the folder on the server."""

    def fields(self) -> dict[str, forms.Field]: ...

    def check(self, options: dict[str, object]) -> dict[str, object]: ...


F = TypeVar("F", bound=RemoteFolder)


class FolderDestination(RemoteDestination, Generic[F]):
    """A type adds its options, `_new_folder`, and what its protocol does differently."""

    declared: OptionsModule
    # these servers tell no checksum
    reads_back = True
    compares_all = True

    _folder: F | None = None

    # --- options --------------------------------------------------------------------------------------------------
    @classmethod
    def own_fields(cls) -> dict[str, forms.Field]:
        return cls.declared.fields()

    @classmethod
    def default_options(cls, name: str) -> dict[str, object]:
        return {"base_path": name}

    @classmethod
    def check_options(cls, options: dict[str, object]) -> dict[str, object]:
        return cls.declared.check(options)

    def _option(self, name: str) -> str:
        return str(self.options[name] or "")

    # --- the connection -------------------------------------------------------------------------------------------
    @abstractmethod
    def _new_folder(self) -> F:
        """Return the folder of these options; its connection is made when it is used, or in the background."""

    def _opened(self) -> F:
        if self._folder is None:
            self._folder = self._new_folder()
        return self._folder

    def remote_close(self) -> None:
        folder, self._folder = self._folder, None
        if folder is not None:
            folder.drop()

    # --- the steps of the protocol --------------------------------------------------------------------------------
    def remote_send(self, upload: Upload, state: UploadState) -> None:
        self._opened().send(upload, state)

    def remote_check(self, upload: Upload) -> None:
        where = f"{self.location()}/{upload.part_path}"
        compare(where, "size", upload.wanted.size, self._opened().stat(upload.part_path).size_bytes)
        if self.must_read_back(upload):
            compare(where, "SHA-256", upload.sha256, self.hash_of(upload.part_path))

    def remote_publish(self, upload: Upload) -> None:
        self._opened().publish(upload.part_path, upload.wanted.path)

    def remote_discard(self, wanted: Wanted, state: UploadState) -> None:
        self._opened().discard(wanted, state)

    def remote_receive(self, path: str, offset: int, write: Write) -> None:
        self._opened().receive(path, offset, write, self._meter.checkpoint)

    def remote_list(self, folder: str, prefix: str) -> Iterator[StoredFile]:
        return self._opened().walk(folder, self._meter.checkpoint)

    def remote_is_empty(self) -> bool:
        return self._opened().is_empty()

    def remote_stat(self, path: str) -> StoredFile:
        return self._opened().stat(path)

    def remote_delete(self, path: str) -> None:
        self._opened().remove(path)

    def remote_free_space(self) -> int | None:
        return self._opened().free_space()
