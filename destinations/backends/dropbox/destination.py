"""A folder of a Dropbox account. What needs the SDK is in the modules `session` and `errors`."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from django import forms

from destinations.backends.base import Step, StoredFile, UploadState
from destinations.backends.base.place import Place
from destinations.backends.dropbox.chunks import Chunks
from destinations.backends.dropbox.options import REPLACED, SECRETS, TYPE, check, option_fields, refuse_replaced
from destinations.backends.remote import RemoteDestination, Write
from destinations.exceptions import DestinationError, DestinationUnavailable, NotFound, VerificationFailed
from destinations.network.endpoint import endpoint_steps
from destinations.network.errors import from_library_error
from destinations.transfer.extras import Extra
from destinations.transfer.upload import Upload, Wanted

if TYPE_CHECKING:
    from destinations.backends.dropbox.session import Account, File


class DropboxDestination(RemoteDestination):
    type = TYPE
    label = "Dropbox"
    extra = Extra("dropbox", ("dropbox",))
    reads_back = False
    resumes = True
    try_needs_deletion = False
    largest_file = 350 * 1000**3
    secret_options: ClassVar[frozenset[str]] = SECRETS
    foreign_options: ClassVar[frozenset[str]] = frozenset(REPLACED)

    _account: "Account | None" = None
    # of the upload under way
    _chunks: Chunks

    # --- options --------------------------------------------------------------------------------------------------
    @classmethod
    def own_fields(cls) -> dict[str, forms.Field]:
        return option_fields()

    @classmethod
    def default_options(cls, name: str) -> dict[str, object]:
        return {"root_path": name}

    @classmethod
    def clean(cls, config: Mapping[str, object]) -> dict[str, object]:
        refuse_replaced(config)
        return super().clean(config)

    @classmethod
    def check_options(cls, options: dict[str, object]) -> dict[str, object]:
        return check(options)

    def location(self) -> str:
        return f"dropbox://{self.options['account']}/{self.options['root_path']}".rstrip("/")

    def canonical_place(self) -> Place:
        # names there differ by more than case
        return Place.at(self.type, str(self.options["account"] or ""), folder=str(self.options["root_path"]).lower())

    @property
    def where(self) -> str:
        return f"Dropbox, folder /{self.options['root_path']}"

    # --- the connection -------------------------------------------------------------------------------------------
    def _open(self) -> "Account":
        if self._account is None:
            account = self._library("session").Account(self.options, timeout=self.timeout)
            self._account = account
            if self.options["account"]:
                try:
                    self._require_account(account)
                except BaseException:
                    # no later request may go to an account that was not seen to be the right one
                    self.remote_close()
                    raise
        return self._account

    def _require_account(self, account: "Account") -> str:
        found, wanted = account.email(), str(self.options["account"])
        if wanted and found.lower() != wanted:
            raise DestinationUnavailable(
                f"The token is of the account {found}, and the option 'account' says {wanted}.",
                "Enter the token of that account; archives of two accounts are two destinations.",
            )
        return found

    def _library(self, module: str) -> Any:
        return self.extra.load(f"destinations.backends.dropbox.{module}")

    def remote_close(self) -> None:
        account, self._account = self._account, None
        if account is not None:
            account.drop()

    def remote_error(self, error: Exception, action: str) -> DestinationError | None:
        return from_library_error(error, action, self.where, self._library("errors").explain)

    def connection_steps(self) -> Iterator[Step]:
        ca_file = str(self.options["verify"]) or None
        endpoint = self._library("session").endpoint()
        for name, step in endpoint_steps(endpoint, ca_file=ca_file, timeout=self.timeout):
            yield name, partial(self._call, name, step)
        yield "log in", lambda: self._call("log in", lambda: f"as {self._require_account(self._open())}")

    # --- names ----------------------------------------------------------------------------------------------------
    @property
    def _root(self) -> str:
        return f"/{self.options['root_path']}" if self.options["root_path"] else ""

    def _look(self, path: str) -> "File":
        found = self._open().find(f"{self._root}/{path}")
        if found is None:
            raise NotFound(f"{path} is not in {self.where}.", "See what is listed there.")
        return found

    # --- uploads --------------------------------------------------------------------------------------------------
    def remote_send(self, upload: Upload, state: UploadState) -> None:
        action = f"upload {upload.wanted.path}"
        self._chunks = Chunks(self._open(), upload, lambda error: self.remote_error(error, action), self.retry_delays)
        self._chunks.send(state)

    def remote_try(self, upload: Upload, state: UploadState) -> bool:
        with suppress(NotFound):
            self.remote_stat(upload.wanted.path)
        # Dropbox drops it after a week
        self._open().begin_upload()
        return False

    def remote_check(self, upload: Upload) -> None:
        """Dropbox compared each chunk as it arrived; the whole is compared when it has its name."""

    def remote_publish(self, upload: Upload) -> None:
        wanted, account = upload.wanted, self._open()
        stored = account.finish_upload(self._chunks.session, wanted.size, f"{self._root}/{wanted.path}")
        upload.published = stored.revision
        is_whole = (stored.size, stored.content_hash) == (wanted.size, self._chunks.content_hash)
        if not is_whole or self.is_damaged(upload):
            raise VerificationFailed(
                f"{wanted.path} in {self.where} is not what was sent.",
                "Do not rely on this destination before its storage is repaired.",
            )

    def remote_withdraw(self, upload: Upload) -> None:
        self._open().delete(f"{self._root}/{upload.wanted.path}", revision=upload.published)

    def remote_discard(self, wanted: Wanted, state: UploadState) -> None:
        # a session cannot be ended: Dropbox drops it after a week
        if state.data:
            state.data = {}
            state.save(state.data)
        # a file of that name is one that another program stored
        if self._open().find(part := f"{self._root}/{wanted.part_path}") is not None:
            self._open().delete(part)

    # --- files ----------------------------------------------------------------------------------------------------
    def remote_receive(self, path: str, offset: int, write: Write) -> None:
        found = self._look(path)
        if offset < found.size:
            self._open().read(found.path, offset, write)

    def remote_list(self, folder: str, prefix: str) -> Iterator[StoredFile]:
        below = f"{self._root}/{prefix}"
        found = []
        # Dropbox lists in no order, and the names of folders may come in other letters than they were asked for
        for page in self._open().list(below.rstrip("/")):
            self._meter.checkpoint()
            for file in page:
                if file.path.lower().startswith(below.lower()):
                    path = prefix + file.path[len(below) :]
                    found.append(StoredFile(path, file.size, file.modified_at))
        yield from sorted(found, key=lambda file: file.path)

    def remote_stat(self, path: str) -> StoredFile:
        found = self._look(path)
        return StoredFile(path, found.size, found.modified_at)

    def remote_delete(self, path: str) -> None:
        # never a folder of that name
        self._look(path)
        self._open().delete(f"{self._root}/{path}")

    def remote_free_space(self) -> int | None:
        return self._open().free_space()
