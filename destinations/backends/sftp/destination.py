"""A folder on an SSH server. What needs asyncssh is in modules that import it."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from destinations.backends.base import PeerKey, Step
from destinations.backends.base.place import Place
from destinations.backends.remote import FolderDestination
from destinations.backends.sftp import host_keys, options
from destinations.backends.sftp.account import CONNECT, HOST_KEY, LOG_IN, Account
from destinations.exceptions import DestinationError
from destinations.network.hosts import canonical_host
from destinations.network.resolve import resolve
from destinations.network.server_options import address, check_host, place_of_login
from destinations.transfer.extras import Extra

if TYPE_CHECKING:
    from destinations.backends.sftp.folder import Folder

_PACKAGE = "destinations.backends.sftp"
EXTRA = Extra("sftp", ("asyncssh", "bcrypt"))


class SftpDestination(FolderDestination["Folder"]):
    type = options.TYPE
    label = "SFTP (a folder on an SSH server)"
    extra = EXTRA
    secret_options = options.SECRETS
    foreign_options = options.FOREIGN
    pinned_option = host_keys.OPTION
    declared = options
    peer_options = ("host", "port", "timeout")
    resumes = True

    # --- options --------------------------------------------------------------------------------------------------
    @classmethod
    def clean(cls, config: Mapping[str, object]) -> dict[str, object]:
        return super().clean(options.without_replaced(config))

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

    @property
    def where(self) -> str:
        return address(self._option("host"), int(self._option("port")))

    def location(self) -> str:
        return place_of_login(self.type, self._option("username"), self.where, self._option("base_path"))

    def canonical_place(self) -> Place:
        # two logins of one server may have a root of their own each
        host = canonical_host(self._option("host"))
        return Place.at(
            self.type, self._option("username"), self._option("port"), folder=self._option("base_path"), host=host
        )

    # --- the connection -------------------------------------------------------------------------------------------
    def _new_folder(self) -> "Folder":
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
        folder: Folder = EXTRA.load(f"{_PACKAGE}.folder").Folder(account, self._option("base_path"), self.location())
        return folder

    def connection_steps(self) -> Iterator[Step]:
        host, port = self._option("host"), int(self._option("port"))
        yield self._step("resolve", "resolve the host name", lambda: resolve(host, port))
        yield self._step("connect", CONNECT, self._connect)
        yield self._step("host key", HOST_KEY, self._check_host_key)
        yield self._step("log in", LOG_IN, self._log_in)
        yield self._step("folder", "look for the folder", lambda: self._opened().describe())

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

    def remote_error(self, error: Exception, action: str) -> DestinationError | None:
        known: DestinationError | None = EXTRA.load(f"{_PACKAGE}.errors").request_error(error, action, self.where)
        return known
