"""A folder on an SSH server. What needs asyncssh is in modules that import it."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

from django import forms

from destinations.backends.base import PeerKey, Step, StoredFile, UploadState
from destinations.backends.remote import RemoteDestination, Write
from destinations.backends.sftp import host_keys, options
from destinations.backends.sftp.account import CONNECT, HOST_KEY, LOG_IN, Account, address
from destinations.exceptions import DestinationError, NotFound
from destinations.network.resolve import resolve
from destinations.network.server_options import check_host
from destinations.transfer.blocks import compare
from destinations.transfer.extras import Extra
from destinations.transfer.upload import Upload, Wanted
from destinations.transfer.watch import Meter

if TYPE_CHECKING:
    from destinations.backends.sftp.folder import Folder

_PACKAGE = "destinations.backends.sftp"
EXTRA = Extra("sftp", ("asyncssh", "bcrypt"))


class SftpDestination(RemoteDestination):
    type = options.TYPE
    label = "SFTP (a folder on an SSH server)"
    extra = EXTRA
    secret_options = options.SECRETS
    foreign_options = options.FOREIGN
    pinned_option = host_keys.OPTION
    peer_options = ("host", "port", "timeout")
    reads_back = True
    resumes = True

    _folder: "Folder | None" = None

    # --- options --------------------------------------------------------------------------------------------------
    @classmethod
    def own_fields(cls) -> dict[str, forms.Field]:
        return options.fields()

    @classmethod
    def default_options(cls, name: str) -> dict[str, object]:
        return {"base_path": name}

    @classmethod
    def clean(cls, config: Mapping[str, object]) -> dict[str, object]:
        return super().clean(options.without_replaced(config))

    @classmethod
    def check_options(cls, options_: dict[str, object]) -> dict[str, object]:
        return options.check(options_)

    @classmethod
    def lacks_pin(cls, config: Mapping[str, object]) -> bool:
        return super().lacks_pin(config) and not config.get("known_hosts_file")

    @classmethod
    def pinned_keys(cls, value: str) -> tuple[PeerKey, ...]:
        return tuple(key.peer_key for key in host_keys.parse(value))

    @classmethod
    def fetch_peer_key(cls, config: Mapping[str, object]) -> PeerKey:
        # the other options need not be there yet
        host, port, timeout = (cls.clean_option(option, config) for option in cls.peer_options)
        session = EXTRA.load(f"{_PACKAGE}.session")
        fetched: PeerKey = session.fetch(check_host(options.TYPE, host), port, timeout).peer_key
        return fetched

    def _option(self, name: str) -> str:
        return str(self.options[name] or "")

    @property
    def where(self) -> str:
        return address(self._option("host"), int(self._option("port")))

    def location(self) -> str:
        folder = self._option("base_path")
        # a path that begins at the folder of the login is not one that begins at the root
        return f"sftp://{self._option('username')}@{self.where}{folder if folder.startswith('/') else f'/~/{folder}'}"

    # --- the connection -------------------------------------------------------------------------------------------
    def _opened(self) -> "Folder":
        """Return the folder; its connection is begun at the first call."""
        if self._folder is None:
            account = Account(
                host=self._option("host"),
                port=int(self._option("port")),
                username=self._option("username"),
                authentication=self._option("authentication"),
                password=self._option("password"),
                private_key=self._option("private_key"),
                passphrase=self._option("private_key_passphrase"),
                trusted=host_keys.parse(self._option(host_keys.OPTION)),
                known_hosts_file=self._option("known_hosts_file"),
                timeout=self.timeout,
            )
            base = self._option("base_path")
            self._folder = EXTRA.load(f"{_PACKAGE}.folder").Folder(account, base, self.location())
        return self._folder

    def remote_close(self) -> None:
        folder, self._folder = self._folder, None
        if folder is not None:
            folder.session.drop()

    def connection_steps(self) -> Iterator[Step]:
        host, port = self._option("host"), int(self._option("port"))

        def step(name: str, action: str, work: Callable[[], str]) -> Step:
            return name, lambda: self._once(action, work, None, Meter())

        yield step("resolve", "resolve the host name", lambda: resolve(host, port))
        yield step("connect", CONNECT, self._connect)
        yield step("host key", HOST_KEY, self._check_host_key)
        yield step("log in", LOG_IN, self._log_in)
        yield step("folder", "look for the folder", lambda: self._opened().describe())

    def _connect(self) -> str:
        # what an earlier use left is not what is tested
        self.remote_close()
        self._opened().session.passed(CONNECT)
        return self.where

    def _check_host_key(self) -> str:
        program, key = self._opened().session.server()
        return f"{key}, as in the {'file' if self._option('known_hosts_file') else 'option'}; {program}"

    def _log_in(self) -> str:
        session = self._opened().session
        session.passed(LOG_IN)
        session.ready()
        return f"as {self._option('username')} by {self._option('authentication')}"

    # --- the steps of the protocol --------------------------------------------------------------------------------
    def remote_send(self, upload: Upload, state: UploadState) -> None:
        self._opened().send(upload, state)

    def remote_check(self, upload: Upload) -> None:
        part = upload.wanted.part_path
        where = f"{self.location()}/{part}"
        compare(where, "size", upload.wanted.size, self._opened().stat(part).size_bytes)
        if self.must_read_back(upload):
            compare(where, "SHA-256", upload.sha256, self.hash_of(part))

    def remote_publish(self, upload: Upload) -> None:
        self._opened().publish(upload.wanted.part_path, upload.wanted.path)

    def remote_discard(self, wanted: Wanted, state: UploadState) -> None:
        with suppress(NotFound):
            self._opened().remove(wanted.part_path)

    def remote_receive(self, path: str, offset: int, write: Write) -> None:
        self._opened().receive(path, offset, write)

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

    def remote_error(self, error: Exception, action: str) -> DestinationError | None:
        known: DestinationError | None = EXTRA.load(f"{_PACKAGE}.errors").request_error(error, action, self.where)
        return known
