"""A folder on a WebDAV server."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from urllib.parse import unquote, urlsplit

from django import forms

from destinations.backends.base import PeerKey, Step, StoredFile, UploadState
from destinations.backends.remote import RemoteDestination, Write
from destinations.backends.webdav import options
from destinations.backends.webdav.errors import answer_error
from destinations.backends.webdav.folder import Folder
from destinations.backends.webdav.login import Login
from destinations.backends.webdav.session import Session, site_of
from destinations.exceptions import DestinationConfigError, DestinationError, NotFound
from destinations.network import certificates
from destinations.network.certificates import Trust, fingerprint_of, parse_fingerprint
from destinations.network.errors import from_broken_tls, from_network_error
from destinations.network.resolve import resolve
from destinations.transfer.blocks import compare
from destinations.transfer.upload import Upload, Wanted
from destinations.transfer.watch import Meter


class WebdavDestination(RemoteDestination):
    type = options.TYPE
    label = "WebDAV (a folder of Nextcloud, ownCloud, Apache, a NAS ...)"
    secret_options = options.SECRETS
    pinned_option = certificates.FINGERPRINT
    pinned_noun = "certificate"
    peer_options = ("url", "timeout")
    reads_back = True

    _folder: Folder | None = None

    # --- options --------------------------------------------------------------------------------------------------
    @classmethod
    def own_fields(cls) -> dict[str, forms.Field]:
        return options.fields()

    @classmethod
    def default_options(cls, name: str) -> dict[str, object]:
        return {"base_path": name}

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
        url, timeout = (cls.clean_option(option, config) for option in cls.peer_options)
        site = site_of(options.check_url(url), Trust(anybody=True), timeout)
        if not site.encrypted:
            raise DestinationConfigError(
                "An address with http shows no certificate.", "Use https in the address.", "url"
            )
        session = Session(site, Login("", "", "", encrypted=True))
        try:
            session.connect()
            session.encrypt()
            fingerprint = fingerprint_of(session.certificate())
        except OSError as error:
            known = from_network_error(error, "fetch the certificate", site.where)
            if known is None:
                raise
            raise known from error
        finally:
            session.sockets.drop()
        return PeerKey("certificate", fingerprint, fingerprint, certificates.COMMAND)

    def warnings(self) -> tuple[str, ...]:
        return () if self._is_encrypted else (options.PLAIN_WARNING,)

    def _option(self, name: str) -> str:
        return str(self.options[name] or "")

    @property
    def _is_encrypted(self) -> bool:
        return self._option("url").startswith("https:")

    @property
    def where(self) -> str:
        return urlsplit(self._option("url")).netloc

    def location(self) -> str:
        return f"{unquote(self._option('url'), errors='replace')}{self._option('base_path')}"

    # --- the connection -------------------------------------------------------------------------------------------
    def _opened(self) -> Folder:
        """Return the folder; it connects when it is used."""
        if self._folder is None:
            trust = Trust(self._option(certificates.CA_FILE), self._option(certificates.FINGERPRINT))
            login = Login(
                self._option("username"), self._option("password"), self._option("token"), encrypted=self._is_encrypted
            )
            session = Session(site_of(self._option("url"), trust, self.timeout), login)
            self._folder = Folder(session, self._option("url"), self._option("base_path"), self.location())
        return self._folder

    def remote_close(self) -> None:
        folder, self._folder = self._folder, None
        if folder is not None:
            folder.session.sockets.drop()

    def connection_steps(self) -> Iterator[Step]:
        host, port = self._opened().session.site.host, self._opened().session.site.port

        def step(name: str, action: str, work: Callable[[], str]) -> Step:
            return name, lambda: self._once(action, work, None, Meter())

        yield step("resolve", "resolve the host name", lambda: resolve(host, port))
        yield step("connect", "open a connection", self._connect)
        yield step("TLS", "set up TLS", lambda: self._opened().session.encrypt())
        yield step("log in", "log in", self._log_in)

    def _connect(self) -> str:
        # what an earlier use left is not what is tested
        self.remote_close()
        self._opened().session.connect()
        return self.where

    def _log_in(self) -> str:
        who = f"as {self._option('username')}" if self._option("username") else "by the token"
        there = "it is there" if self._opened().is_there() else "it is made by the first upload"
        return f"{who}; the folder: {there}"

    # --- the steps of the protocol --------------------------------------------------------------------------------
    def remote_send(self, upload: Upload, state: UploadState) -> None:
        self._opened().send(upload)

    def remote_check(self, upload: Upload) -> None:
        where = f"{self.location()}/{upload.part_path}"
        compare(where, "size", upload.wanted.size, self._opened().stat(upload.part_path).size_bytes)
        if self.must_read_back(upload):
            compare(where, "SHA-256", upload.sha256, self.hash_of(upload.part_path))

    def remote_publish(self, upload: Upload) -> None:
        self._opened().publish(upload.part_path, upload.wanted.path)

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
        return answer_error(error, action, self.where) or from_broken_tls(error, action, self.where)
