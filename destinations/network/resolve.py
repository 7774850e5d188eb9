"""The first step of a test of every type that reaches its storage through a network."""

import socket

from destinations.network.errors import from_network_error


def resolve(host: str, port: int) -> str:
    """Return the addresses of `host` as words. Raises `DestinationError`."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        known = from_network_error(error, "resolve the host name", host)
        if known is None:
            raise
        raise known from error
    # an address may be listed several times
    return ", ".join(dict.fromkeys(str(address[0]) for *_, address in found))
