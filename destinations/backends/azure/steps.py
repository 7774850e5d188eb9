"""The steps of the protocol of Azure Blob Storage: connection, uploads, files. What needs the SDK is in `session`."""

from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from destinations.backends.azure import blocks, listings
from destinations.backends.azure.account import Account
from destinations.backends.azure.answers import TAKEN, AzureRefused, explain
from destinations.backends.azure.options import stored_with
from destinations.backends.base import BLOCK_SIZE, Step, StoredFile, UploadState
from destinations.backends.remote import Write
from destinations.backends.remote.locks import LockingDestination, require_unlocked
from destinations.exceptions import DestinationError, NotFound, VerificationFailed
from destinations.network.endpoint import endpoint_steps
from destinations.network.errors import from_library_error
from destinations.transfer.ahead import worked_ahead
from destinations.transfer.extras import Extra
from destinations.transfer.upload import Upload, Wanted

if TYPE_CHECKING:
    from destinations.backends.azure.blob import Blob
    from destinations.backends.azure.session import Container

# of a download: one range is under way for each of this many connections
RANGE_BYTES = 4 * 1024 * 1024
RANGES_AHEAD = 3


class AzureSteps(LockingDestination):
    """What runs against one container; `AzureDestination` adds options, locks and versions."""

    extra = Extra("azure", ("azure.storage.blob", "azure.identity"))
    reads_back = False
    resumes = True
    largest_file = blocks.LARGEST_FILE

    _container: "Container | None" = None
    # of the upload under way
    _blocks: blocks.Blocks

    @property
    def _account(self) -> Account:
        return Account.of(self.options)

    @property
    def where(self) -> str:
        return f"the container {self.options['azure_container']} at {self._account.host}"

    # --- the connection -------------------------------------------------------------------------------------------
    def _open(self) -> "Container":
        if self._container is None:
            threads = self._threads + RANGES_AHEAD + 1
            self._container = self._library("session").Container(
                self._account, self.options, timeout=self.timeout, threads=threads
            )
        return self._container

    @property
    def _threads(self) -> int:
        return int(str(self.options["max_concurrency"]))

    def _library(self, module: str) -> Any:
        return self.extra.load(f"destinations.backends.azure.{module}")

    def remote_close(self) -> None:
        container, self._container = self._container, None
        if container is not None:
            container.drop()

    def remote_error(self, error: Exception, action: str) -> DestinationError | None:
        if isinstance(error, AzureRefused):
            return explain(error, action, self.where, self._account)
        return from_library_error(error, action, self.where, self._library("library_errors").explain_library_error)

    def connection_steps(self) -> Iterator[Step]:
        ca_file = str(self.options["verify"]) or None
        for name, step in endpoint_steps(self._account.url, ca_file=ca_file, timeout=self.timeout):
            yield name, partial(self._call, name, step)
        yield "log in", lambda: self._call("open the container", self._log_in)

    def _log_in(self) -> str:
        try:
            self._open().look()
        except AzureRefused as refused:
            if not self._may_be_missing(refused):
                raise
            return "the container is made by the first upload"
        return f"by {self._account.option}, the container is there"

    def _may_be_missing(self, refused: AzureRefused) -> bool:
        return refused.is_no_container and bool(self.options["create_container"]) and not self.established

    # --- names ----------------------------------------------------------------------------------------------------
    @property
    def _prefix(self) -> str:
        return f"{self.options['location']}/" if self.options["location"] else ""

    def _look(self, path: str) -> "Blob":
        try:
            found = self._open().stat(self._prefix + path)
            # what a process that was killed left while it dropped blocks is no file
            if listings.DISCARDED not in found.metadata:
                return found
        except AzureRefused as refused:
            if not refused.is_missing and not self._may_be_missing(refused):
                raise
        raise NotFound(f"{path} is not in {self.where}.", "See what is listed there.")

    # --- uploads --------------------------------------------------------------------------------------------------
    def remote_send(self, upload: Upload, state: UploadState) -> None:
        name = self._prefix + upload.wanted.path
        container = self._open()
        if (begun := str(state.data.get("name") or "")) != name:
            if begun:
                # the upload was to have another name
                listings.discard(container, begun, upload.wanted.token)
            state.data = {"name": name}
            state.save(state.data)
        self._blocks = blocks.Blocks(
            name,
            self._threads,
            lambda error: self.remote_error(error, f"upload {upload.wanted.path}"),
            self.retry_delays,
        )
        self._make_container()
        listings.remove_discarded(container, name)
        blocks.send(container, self._blocks, upload)

    def _make_container(self) -> None:
        if self.options["create_container"] and not self.established:
            try:
                self._open().look()
            except AzureRefused as refused:
                if not refused.is_no_container:
                    raise
                self._open().create()

    def remote_try(self, upload: Upload, state: UploadState) -> bool:
        with suppress(NotFound):
            self.remote_stat(upload.wanted.path)
        self._make_container()
        never_sent = blocks.block_id(0, upload.wanted.token, bytes(16))
        try:
            self._open().commit(
                self._prefix + upload.wanted.path, [never_sent], stored_with(self.options, upload.wanted)
            )
        except AzureRefused as refused:
            # the store looks for the block once the account may write, and keeps nothing
            if refused.code != "InvalidBlockList":
                raise
        return False

    def remote_check(self, upload: Upload) -> None:
        blocks.check(self._open(), self._blocks, upload)

    def remote_publish(self, upload: Upload) -> None:
        wanted, container = upload.wanted, self._open()
        upload.published = container.commit(self._blocks.name, self._blocks.ids, stored_with(self.options, wanted))
        stored = container.stat(self._blocks.name)
        # blocks cannot be read before they are committed
        if stored.size != wanted.size or self.is_damaged(upload):
            raise VerificationFailed(
                f"{wanted.path} in {self.where} reads back differently from what was written.",
                "Do not rely on this destination before its storage is repaired.",
            )

    def remote_withdraw(self, upload: Upload) -> None:
        try:
            self._open().delete(self._prefix + upload.wanted.path, etag=upload.published)
        except AzureRefused as refused:
            # it is gone, or another one has its name
            if not refused.is_missing and refused.code not in TAKEN:
                raise

    def remote_discard(self, wanted: Wanted, state: UploadState) -> None:
        container = self._open()
        listings.discard(container, self._prefix + wanted.path, wanted.token)
        try:
            # a file of that name is one that another program stored
            container.delete(self._prefix + wanted.part_path)
        except AzureRefused as refused:
            if not refused.is_missing and not refused.is_no_container:
                raise

    # --- files ----------------------------------------------------------------------------------------------------
    def remote_receive(self, path: str, offset: int, write: Write) -> None:
        blob, container = self._look(path), self._open()

        def ranges() -> Iterator[Any]:
            begin, length = offset, BLOCK_SIZE
            while begin < blob.size:
                size = min(length, blob.size - begin)
                yield partial(container.read, blob.name, begin, size, blob.etag)
                begin, length = begin + size, RANGE_BYTES

        for data in worked_ahead(ranges(), RANGES_AHEAD):
            for position in range(0, len(data), BLOCK_SIZE):
                write(data[position : position + BLOCK_SIZE])

    def remote_list(self, folder: str, prefix: str) -> Iterator[StoredFile]:
        return self._unless_missing(listings.files(self._open(), self._prefix + prefix, self._prefix))

    def list_partials(self) -> Iterator[StoredFile]:
        yield from super().list_partials()
        yield from self._paged(
            "list the uploads", lambda: self._unless_missing(listings.partials(self._open(), self._prefix))
        )

    def _unless_missing(self, files: Iterator[StoredFile]) -> Iterator[StoredFile]:
        try:
            yield from files
        except AzureRefused as refused:
            if not self._may_be_missing(refused):
                raise

    def remote_is_empty(self) -> bool:
        try:
            return super().remote_is_empty()
        except AzureRefused as refused:
            if refused.is_no_container:
                return True
            raise

    def remote_stat(self, path: str) -> StoredFile:
        blob = self._look(path)
        return StoredFile(path, blob.size, blob.modified_at, blob.locked_until)

    def remote_delete(self, path: str) -> None:
        blob = self._look(path)
        # in a container with versions the store would only hide it, and keep it
        require_unlocked(f"{path} in {self.where}", blob.locked_until)
        try:
            self._open().delete(blob.name)
        except AzureRefused as refused:
            if refused.is_missing:
                raise NotFound(f"{path} is not in {self.where}.", "See what is listed there.") from None
            raise
