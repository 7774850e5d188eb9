"""A folder on an FTP server."""

from collections.abc import Callable, Iterator, Mapping

from django import forms

from destinations.backends.base import PeerKey, Step, StoredFile, UploadState
from destinations.backends.ftp import options
from destinations.backends.ftp.account import CONNECT, ENCRYPT, LOG_IN, NONE, Account, address
from destinations.backends.ftp.client import Client, receive_all
from destinations.backends.ftp.errors import AGAIN, reply_error
from destinations.backends.ftp.folder import Folder
from destinations.backends.ftp.uploads import Uploads
from destinations.backends.remote import RemoteDestination, Write
from destinations.exceptions import ConnectionLost, DestinationConfigError, DestinationError
from destinations.network import certificates
from destinations.network.certificates import Trust, fingerprint_of, parse_fingerprint
from destinations.network.errors import from_broken_tls
from destinations.network.resolve import resolve
from destinations.network.server_options import check_host
from destinations.network.sockets import Sockets
from destinations.transfer.blocks import compare
from destinations.transfer.upload import Upload, Wanted
from destinations.transfer.watch import Meter


class FtpDestination(RemoteDestination):
    type = options.TYPE
    label = "FTP (a folder on an FTP server, with TLS)"
    secret_options = options.SECRETS
    foreign_options = options.FOREIGN
    pinned_option = certificates.FINGERPRINT
    pinned_noun = "certificate"
    peer_options = ("host", "port", "encryption", "timeout")
    reads_back = True
    resumes = True

    _folder: Folder | None = None
    _uploads: Uploads

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
        # authorities vouch for most certificates
        return False

    @classmethod
    def pinned_keys(cls, value: str) -> tuple[PeerKey, ...]:
        fingerprint = parse_fingerprint(value)
        return (PeerKey("certificate", fingerprint, fingerprint, certificates.COMMAND),) if fingerprint else ()

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
            fingerprint = fingerprint_of(client.certificate())
        finally:
            sockets.drop()
        return PeerKey("certificate", fingerprint, fingerprint, certificates.COMMAND)

    def warnings(self) -> tuple[str, ...]:
        return (options.PLAIN_WARNING,) if self._option("encryption") == NONE else ()

    def _option(self, name: str) -> str:
        return str(self.options[name] or "")

    @property
    def where(self) -> str:
        return address(self._option("host"), int(self._option("port")))

    def location(self) -> str:
        folder = self._option("base_path")
        # the way of encryption is not part of the place; a path that begins at the folder of the login is
        return f"ftp://{self._option('username')}@{self.where}{folder if folder.startswith('/') else f'/~/{folder}'}"

    # --- the connection -------------------------------------------------------------------------------------------
    def _account(self) -> Account:
        return Account(
            host=self._option("host"),
            port=int(self._option("port")),
            username=self._option("username"),
            password=self._option("password"),
            encryption=self._option("encryption"),
            passive=bool(self.options["passive"]),
            trust=Trust(self._option(certificates.CA_FILE), self._option(certificates.FINGERPRINT)),
            timeout=self.timeout,
        )

    def _opened(self) -> Folder:
        """Return the folder; it connects when it is used."""
        if self._folder is None:
            self._folder = Folder(self._account(), self._option("base_path"), self.location())
            self._uploads = Uploads(self._folder, self.location())
        return self._folder

    def remote_close(self) -> None:
        folder, self._folder = self._folder, None
        if folder is not None:
            folder.sockets.drop()

    def connection_steps(self) -> Iterator[Step]:
        host, port = self._option("host"), int(self._option("port"))

        def step(name: str, action: str, work: Callable[[], str]) -> Step:
            return name, lambda: self._once(action, work, None, Meter())

        yield step("resolve", "resolve the host name", lambda: resolve(host, port))
        yield step("connect", CONNECT, self._connect)
        yield step("TLS", ENCRYPT, self._encrypt)
        yield step("log in", LOG_IN, self._log_in)
        yield step("folder", "look for the folder", self._look)

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

    def _look(self) -> str:
        return "it is there" if self._opened().is_there() else "it is made by the first upload"

    # --- the steps of the protocol --------------------------------------------------------------------------------
    def remote_send(self, upload: Upload, state: UploadState) -> None:
        self._opened()
        self._uploads.send(upload, state)

    def remote_check(self, upload: Upload) -> None:
        folder, part = self._opened(), upload.part_path
        where = f"{self.location()}/{part}"
        compare(where, "size", upload.wanted.size, folder.stat(part).size_bytes)
        if self.must_read_back(upload):
            compare(where, "SHA-256", upload.sha256, self.hash_of(part))

    def remote_publish(self, upload: Upload) -> None:
        self._opened().publish(upload.part_path, upload.wanted.path)

    def remote_discard(self, wanted: Wanted, state: UploadState) -> None:
        self._opened()
        self._uploads.discard(wanted, state)

    def remote_receive(self, path: str, offset: int, write: Write) -> None:
        folder = self._opened()
        size = folder.size(path)
        if size is None:
            raise folder.missing(path)
        client = folder.client
        client.use_type("I")
        with client.transfer(f"RETR {folder.on_server(path)}", rest=offset) as data:
            received = receive_all(data, write, self._meter.checkpoint)
        if received < size - offset:
            # the end of a data connection is that of the file: a server that has sent all is content with a cut
            raise ConnectionLost(f"Cannot read {path} at {self.where}: the connection was cut.", AGAIN)

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
        return reply_error(error, action, self.where) or from_broken_tls(error, action, self.where)
