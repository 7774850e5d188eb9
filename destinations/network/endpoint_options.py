"""What the URL of an endpoint may be, for every type that has such an option."""

import ipaddress
import socket
from urllib.parse import urlsplit

# answers with the credentials of the machine to whoever asks it from there
_METADATA_NAMES = frozenset({"metadata.google.internal", "metadata.goog"})
_METADATA_ADDRESSES = frozenset(map(ipaddress.ip_address, ("100.100.100.200", "fd00:ec2::254", "168.63.129.16")))


def endpoint_problem(url: str) -> str:
    """Return what is wrong with `url` as the address of a store, as a sentence; "" when it may be used."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        is_plain = (
            parts.scheme in {"http", "https"}
            and bool(host)
            and parts.port != 0
            and parts.path in {"", "/"}
            and not (parts.query or parts.fragment or parts.username or parts.password)
        )
    except ValueError:
        is_plain = False
    if not is_plain or not url.isprintable() or " " in url:
        return "It is an https:// URL of a host, without a path."
    if is_of_metadata(host):
        return "It is the address of this machine's metadata service, which is no store."
    return ""


def is_of_metadata(host: str) -> bool:
    """Whether a host answers with the credentials of this machine, in whatever spelling."""
    if host.rstrip(".").lower() in _METADATA_NAMES:
        return True
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        try:
            # other spellings of an IPv4 address, such as one number
            address = ipaddress.ip_address(socket.inet_aton(host))
        except (OSError, UnicodeError):
            return False
    address = getattr(address, "ipv4_mapped", None) or address
    return address.is_link_local or address in _METADATA_ADDRESSES
