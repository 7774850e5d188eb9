"""A folder on an FTP server."""

from collections.abc import Iterator, Mapping

from destinations.backends.base import PeerKey, Step
from destinations.backends.base.place import Place
from destinations.backends.ftp import options
from destinations.backends.ftp.account import CONNECT, ENCRYPT, LOG_IN, NONE, Account
from destinations.backends.ftp.client import Client
from destinations.backends.ftp.errors import reply_error
from destinations.backends.ftp.uploads import UploadFolder
from destinations.backends.remote import CertificatePin, FolderDestination
from destinations.exceptions import DestinationConfigError, DestinationError
from destinations.network import certificates
from destinations.network.certificates import Trust
from destinations.network.errors import from_broken_tls
from destinations.network.hosts import canonical_host
from destinations.network.resolve import resolve
from destinations.network.server_options import address, check_host, place_of_login
from destinations.network.sockets import Sockets


class FtpDestination(CertificatePin, FolderDestination[UploadFolder]):
    type = options.TYPE
    label = "FTP (a folder on an FTP server, with TLS)"
    secret_options = options.SECRETS
    foreign_options = options.FOREIGN
    declared = options
    peer_options = ("host", "port", "encryption", "timeout")
    resumes = True

    # --- options --------------------------------------------------------------------------------------------------
    @classmethod
    def clean(cls, config: Mapping[str, object]) -> dict[str, object]:
        return super().clean(options.without_replaced(config))

    @classmethod
    def fetch_peer_key(cls, config: Mapping[str, object]) -> PeerKey:
        host, port, encryption, timeout = (cls.clean_option(option, config) for option in cls.peer_options)
        if encryption == NONE:
            raise DestinationConfigError(
                "Without encryption the server shows no certificate.", "Choose explicit or implicit TLS.", "encryption"
            )
        account = Account(
            host=check_host(options.TYPE, host),
            port=port or options.PORTS[encryption],
            username="",
            password="",
            encryption=encryption,
            passive=True,
            trust=Trust(anybody=True),
            timeout=timeout,
        )
        sockets = Sockets()
        try:
            client = Client(account, sockets)
            client.connect_()
            client.encrypt()
            return cls.key_of(client.certificate())
        finally:
            sockets.drop()

    def warnings(self) -> tuple[str, ...]:
        return (options.PLAIN_WARNING,) if self._option("encryption") == NONE else ()

    @property
    def where(self) -> str:
        return address(self._option("host"), int(self._option("port")))

    def location(self) -> str:
        # the way of encryption is not part of the place
        return place_of_login(self.type, self._option("username"), self.where, self._option("base_path"))

    def canonical_place(self) -> Place:
        # two logins of one server may have a root of their own each
        user, host, port = self._option("username"), canonical_host(self._option("host")), self._option("port")
        # the way of encryption is not part of the place
        port = "" if port in ("21", "990") else port
        return Place.at(self.type, user, port, folder=self._option("base_path"), host=host)

    # --- the connection -------------------------------------------------------------------------------------------
    def _new_folder(self) -> UploadFolder:
        account = Account(
            host=self._option("host"),
            port=int(self._option("port")),
            username=self._option("username"),
            password=self._option("password"),
            encryption=self._option("encryption"),
            passive=bool(self.options["passive"]),
            trust=Trust(self._option(certificates.CA_FILE), self._option(certificates.FINGERPRINT)),
            timeout=self.timeout,
        )
        return UploadFolder(account, self._option("base_path"), self.location())

    def connection_steps(self) -> Iterator[Step]:
        host, port = self._option("host"), int(self._option("port"))
        yield self._step("resolve", "resolve the host name", lambda: resolve(host, port))
        yield self._step("connect", CONNECT, self._connect)
        yield self._step("TLS", ENCRYPT, self._encrypt)
        yield self._step("log in", LOG_IN, self._log_in)
        yield self._step("folder", "look for the folder", lambda: self._opened().describe())

    def _connect(self) -> str:
        # what an earlier use left is not what is tested
        self.remote_close()
        client = self._opened().begin()
        client.connect_()
        return self.where

    def _encrypt(self) -> str:
        client = self._opened().client_begun()
        client.encrypt()
        return client.describe_encryption() or "none: the password and every archive can be read on the way"

    def _log_in(self) -> str:
        self._opened().client_begun().log_in()
        return f"as {self._option('username')}"

    def remote_error(self, error: Exception, action: str) -> DestinationError | None:
        return reply_error(error, action, self.where) or from_broken_tls(error, action, self.where)
