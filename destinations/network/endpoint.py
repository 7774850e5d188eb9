"""The first steps of a test of what is reached by a URL: resolve, connect, TLS."""

import errno
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from destinations.exceptions import DestinationConfigError


def require_no_device(file: str | None) -> None:
    """Raise `OSError` for a device or a pipe, of which there is no end to read."""
    if file and Path(file).exists() and not Path(file).is_file():
        raise OSError(errno.EINVAL, "it is not a file")


def trusting(ca_file: str | None) -> ssl.SSLContext:
    """Return what trusts the authorities in `ca_file`, by default those of the system.

    Raises `DestinationConfigError`, which repeats nothing of the file.
    """
    try:
        require_no_device(ca_file)
        return ssl.create_default_context(cafile=ca_file)
    except OSError as error:
        reason = "it holds no certificate in PEM" if isinstance(error, ssl.SSLError) else error.strerror
        raise DestinationConfigError(
            f"The file {ca_file} of certificates cannot be used: {reason}.",
            "Give the path of a file in PEM that the user who runs this program may read.",
        ) from None


def endpoint_steps(url: str, *, ca_file: str | None = None, timeout: float) -> Iterator[tuple[str, Callable[[], str]]]:
    """Yield the steps up to a trusted connection, each a name and what does it; it raises errors of sockets and TLS.

    `ca_file` holds the authorities to trust, by default those of the system.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    port = parts.port or (443 if parts.scheme == "https" else 80)
    proxy = getproxies().get(parts.scheme)
    if proxy and not proxy_bypass(host):
        # the names of the world outside may not resolve here
        by_proxy = urlsplit(proxy).hostname
        yield "proxy", lambda: f"by the proxy {by_proxy} of the environment"
        return

    def resolve() -> str:
        found = {entry[4][0] for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)}
        return f"{host} is {', '.join(sorted(map(str, found)))}"

    def connect() -> str:
        with closing(socket.create_connection((host, port), timeout=timeout)):
            return f"port {port} answers"

    def encrypt() -> str:
        context = trusting(ca_file)
        with (
            closing(socket.create_connection((host, port), timeout=timeout)) as plain,
            context.wrap_socket(plain, server_hostname=host) as encrypted,
        ):
            until = (encrypted.getpeercert() or {}).get("notAfter", "")
            return f"{encrypted.version()}, the certificate is valid until {until}"

    yield "resolve", resolve
    yield "connect", connect
    if parts.scheme == "https":
        yield "TLS", encrypt
    else:
        yield "TLS", lambda: "none: whoever is on the way reads what is sent, archives without encryption too"
