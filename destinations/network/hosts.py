"""Host names and addresses in one spelling each, without asking a name server."""

import ipaddress
import socket
from contextlib import closing
from urllib.parse import urlsplit

THIS_MACHINE = "localhost"
_DEFAULT_PORTS = {"http": 80, "https": 443}


def canonical_host(host: str) -> str:
    """Return `host` in lower case, an address in its usual form; THIS_MACHINE for the loopback and what is its own."""
    name = host.strip("[]").rstrip(".").lower()
    if name == THIS_MACHINE or name.endswith(f".{THIS_MACHINE}") or name == socket.gethostname().lower():
        return THIS_MACHINE
    try:
        address = ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        try:
            # other spellings of an IPv4 address, such as 127.1
            address = ipaddress.ip_address(socket.inet_aton(name))
        except (OSError, UnicodeError):
            return name
    address = getattr(address, "ipv4_mapped", None) or address
    if address.is_loopback or address.is_unspecified or _is_own(address):
        return THIS_MACHINE
    return str(address)


def canonical_site(url: str) -> tuple[str, str]:
    """Return the host of `url` and its port, empty for the default one; http and https are one site then."""
    parts = urlsplit(url)
    port = "" if parts.port in (None, _DEFAULT_PORTS.get(parts.scheme)) else str(parts.port)
    return canonical_host(parts.hostname or ""), port


def _is_own(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """True for an address of this machine: what is sent there would have it as its source. Nothing is sent."""
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    try:
        with closing(socket.socket(family, socket.SOCK_DGRAM)) as probe:
            probe.connect((str(address), 9))
            return ipaddress.ip_address(probe.getsockname()[0]) == address
    except OSError:
        return False
