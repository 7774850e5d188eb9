"""A folder on a WebDAV server."""

from collections.abc import Iterator, Mapping
from urllib.parse import unquote, urlsplit

from destinations.backends.base import PeerKey, Step
from destinations.backends.base.place import Place
from destinations.backends.remote import CertificatePin, FolderDestination
from destinations.backends.webdav import options
from destinations.backends.webdav.errors import answer_error
from destinations.backends.webdav.folder import Folder
from destinations.backends.webdav.login import Login
from destinations.backends.webdav.session import Session, site_of
from destinations.exceptions import DestinationConfigError, DestinationError
from destinations.network import certificates
from destinations.network.certificates import Trust
from destinations.network.errors import from_broken_tls, from_network_error
from destinations.network.hosts import canonical_site
from destinations.network.resolve import resolve


class WebdavDestination(CertificatePin, FolderDestination[Folder]):
    type = options.TYPE
    label = "WebDAV (a folder of Nextcloud, ownCloud, Apache, a NAS ...)"
    secret_options = options.SECRETS
    declared = options
    peer_options = ("url", "timeout")

    # --- options --------------------------------------------------------------------------------------------------
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
            return cls.key_of(session.certificate())
        except OSError as error:
            known = from_network_error(error, "fetch the certificate", site.where)
            if known is None:
                raise
            raise known from error
        finally:
            session.sockets.drop()

    def warnings(self) -> tuple[str, ...]:
        return () if self._is_encrypted else (options.PLAIN_WARNING,)

    @property
    def _is_encrypted(self) -> bool:
        return self._option("url").startswith("https:")

    @property
    def where(self) -> str:
        return urlsplit(self._option("url")).netloc

    def location(self) -> str:
        return f"{unquote(self._option('url'), errors='replace')}{self._option('base_path')}"

    def canonical_place(self) -> Place:
        url = self._option("url")
        host, port = canonical_site(url)
        path = unquote(urlsplit(url).path, errors="replace")
        return Place.at(self.type, port, folder=f"{path}/{self._option('base_path')}".strip("/"), host=host)

    # --- the connection -------------------------------------------------------------------------------------------
    def _new_folder(self) -> Folder:
        trust = Trust(self._option(certificates.CA_FILE), self._option(certificates.FINGERPRINT))
        login = Login(
            self._option("username"), self._option("password"), self._option("token"), encrypted=self._is_encrypted
        )
        session = Session(site_of(self._option("url"), trust, self.timeout), login)
        return Folder(session, self._option("url"), self._option("base_path"), self.location())

    def connection_steps(self) -> Iterator[Step]:
        host, port = self._opened().session.site.host, self._opened().session.site.port
        yield self._step("resolve", "resolve the host name", lambda: resolve(host, port))
        yield self._step("connect", "open a connection", self._connect)
        yield self._step("TLS", "set up TLS", lambda: self._opened().session.encrypt())
        yield self._step("log in", "log in", self._log_in)

    def _connect(self) -> str:
        # what an earlier use left is not what is tested
        self.remote_close()
        self._opened().session.connect()
        return self.where

    def _log_in(self) -> str:
        who = f"as {self._option('username')}" if self._option("username") else "by the token"
        return f"{who}; the folder: {self._opened().describe()}"

    def remote_error(self, error: Exception, action: str) -> DestinationError | None:
        return answer_error(error, action, self.where) or from_broken_tls(error, action, self.where)
