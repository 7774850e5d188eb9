"""Requests of HTTP over one connection, whose sockets another thread may drop."""

import http.client
import socket
import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from urllib.error import HTTPError
from urllib.parse import urlsplit

from destinations.backends.webdav.errors import AGAIN
from destinations.backends.webdav.login import Login
from destinations.exceptions import ConnectionLost
from destinations.network.certificates import Trust
from destinations.network.errors import from_network_error
from destinations.network.server_options import address
from destinations.network.sockets import Sockets, send_all
from destinations.transfer.upload import Upload

BLOCK = 256 * 1024
# a connection that was not used for longer may be closed by the server at any moment
IDLE_SECONDS = 4.0
# after a connection broke in the middle of an upload: what the server answered before it closed it
REASON_SECONDS = 3.0
# for a server to notice that an upload was given up
GIVE_UP_SECONDS = 1.0
# of an answer that nobody reads
DRAINED_BYTES = 64 * 1024


@dataclass(frozen=True, repr=False)  # it holds secrets
class Site:
    """Where the server is. `timeout` is in seconds."""

    encrypted: bool
    host: str
    port: int
    trust: Trust
    timeout: float

    @property
    def where(self) -> str:
        return address(self.host, self.port)


def site_of(url: str, trust: Trust, timeout: float) -> Site:
    parts = urlsplit(url)
    encrypted = parts.scheme == "https"
    return Site(encrypted, parts.hostname or "", parts.port or (443 if encrypted else 80), trust, timeout)


class Session:
    """Raises `HTTPError` for an answer that the caller does not expect, and errors of `http.client` and sockets."""

    def __init__(self, site: Site, login: Login) -> None:
        self.site, self._login = site, login
        self.sockets = Sockets()
        self._connection: http.client.HTTPConnection | None = None
        self._used_at = 0.0

    # --- the connection -------------------------------------------------------------------------------------------
    def connect(self) -> None:
        """Open a connection, without TLS so far."""
        site = self.site
        with self.sockets.in_use():
            self.close()
            connection = http.client.HTTPConnection(site.host, site.port, timeout=site.timeout)
            # one that was lost is an error first
            connection.auto_open = 0
            connection.sock = self.sockets.connect((site.host, site.port), site.timeout)
            self._connection = connection

    def encrypt(self) -> str:
        """Begin TLS, and return what a test says about it."""
        site, connection = self.site, self._connection
        if connection is None:
            raise ConnectionLost(f"The connection to {site.where} was closed.", AGAIN)
        if not site.encrypted:
            return "none: the login and every archive can be read on the way"
        with self.sockets.in_use():
            try:
                encrypted = self.sockets.encrypt(connection.sock, site.trust.context(), site.host, site.timeout)
            except OSError as error:
                known = from_network_error(error, "set up TLS", site.where)
                if known is None:
                    raise
                raise known from error
            connection.sock = encrypted
            site.trust.check(encrypted, site.where)
            self._used_at = time.monotonic()
            return site.trust.describe(encrypted)

    def certificate(self) -> bytes:
        """Return that of the server (DER), after `encrypt`."""
        encrypted = self._connection.sock if self._connection else None
        return encrypted.getpeercert(binary_form=True) or b"" if isinstance(encrypted, ssl.SSLSocket) else b""

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
        self.sockets.close_all()

    # --- requests -------------------------------------------------------------------------------------------------
    @contextmanager
    def request(
        self,
        method: str,
        target: str,
        *expected: int,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        upload: Upload | None = None,
    ) -> Iterator[http.client.HTTPResponse]:
        """Yield the answer, whose status is one of `expected`. `target` is the path of a URL, encoded."""
        with self.sockets.in_use():
            response = self._ask(method, target, headers or {}, body, upload)
            if response.status == 401 and self._login.learn(response.headers):
                self._finish(response)
                if upload is not None:
                    # what was read of the source is read again by the next try
                    raise ConnectionLost(f"The login at {self.site.where} has to be made again.", AGAIN)
                response = self._ask(method, target, headers or {}, body, None)
            try:
                if response.status not in expected:
                    raise HTTPError(target, response.status, response.reason, response.headers, None)
                yield response
            finally:
                self._finish(response)

    def _ask(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes, upload: Upload | None
    ) -> http.client.HTTPResponse:
        connection = self._open()
        try:
            connection.sock.settimeout(self.site.timeout)
            connection.putrequest(method, target, skip_accept_encoding=True)
            if login := self._login.header(method, target):
                connection.putheader("Authorization", login)
            # a body that comes compressed is another file
            for name, value in {"User-Agent": "backupsite", "Accept-Encoding": "identity", **headers}.items():
                connection.putheader(name, value)
            if upload is not None:
                connection.putheader("Content-Length", str(upload.wanted.size))
            elif body or method == "PROPFIND":
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body or None)
            if upload is not None:
                return self._send(connection, upload)
            return connection.getresponse()
        except OSError:
            self.close()
            raise
        except BaseException:
            if upload is not None:
                self._wait_for_end(connection)
            self.close()
            raise

    def _wait_for_end(self, connection: http.client.HTTPConnection) -> None:
        """Let the server see that no more comes, and close its file before that is removed."""
        with suppress(OSError):
            connection.sock.settimeout(GIVE_UP_SECONDS)
            socket.socket.shutdown(connection.sock, socket.SHUT_WR)
            while connection.sock.recv(BLOCK):
                pass

    def _send(self, connection: http.client.HTTPConnection, upload: Upload) -> http.client.HTTPResponse:
        try:
            while block := upload.read(BLOCK):
                send_all(connection.sock, block, upload.meter.checkpoint)
        except OSError as error:
            if isinstance(error, TimeoutError):
                raise
            # a server that takes no more may have said why
            connection.sock.settimeout(min(REASON_SECONDS, self.site.timeout))
            with suppress(OSError, http.client.HTTPException):
                response = connection.getresponse()
                response.will_close = True
                if response.status >= 400:
                    return response
            raise
        # the server would wait for what is missing
        upload.require_all_read()
        # it may move the file to another disk before it answers
        connection.sock.settimeout(4 * self.site.timeout)
        return connection.getresponse()

    def _open(self) -> http.client.HTTPConnection:
        connection = self._connection
        if connection is None or connection.sock is None or time.monotonic() - self._used_at > IDLE_SECONDS:
            self.connect()
            self.encrypt()
            connection = self._connection
        if connection is None:
            raise ConnectionLost(f"The connection to {self.site.where} was closed.", AGAIN)
        return connection

    def _finish(self, response: http.client.HTTPResponse) -> None:
        """Keep the connection for the next request where the answer is read to its end."""
        with suppress(OSError, http.client.HTTPException):
            if not response.isclosed() and (response.chunked or (response.length or 0) <= DRAINED_BYTES):
                response.read(DRAINED_BYTES)
        if response.will_close or not response.isclosed():
            response.close()
            self.close()
        self._used_at = time.monotonic()
