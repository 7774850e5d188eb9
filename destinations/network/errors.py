"""Errors of sockets and TLS as sentences, for every type that reaches its storage through a network."""

import errno
import socket
import ssl
from collections.abc import Callable

from destinations.exceptions import ConnectionLost, DestinationError, DestinationUnavailable, PeerNotTrusted
from destinations.network.causes import network_cause

Explain = Callable[[Exception, str, str], DestinationError | None]

_REACH = "Check the host name, the port, the firewall and that the server runs."
_AGAIN = "Check the network and the server; the next try may succeed."
# codes of X509_verify_cert, see openssl-verification-options(1)
_CERTIFICATES = {
    9: ("is not valid yet", "Check the clocks of both machines."),
    10: ("has expired", "Renew the certificate of the server."),
    18: ("is signed by itself", "Give the file of its authority, or the fingerprint of the certificate."),
    19: ("comes from an authority that is not trusted here", "Give the file of that authority."),
    20: ("comes from an authority that is not trusted here", "Give the file of that authority."),
    21: ("comes from an authority that is not trusted here", "Give the file of that authority."),
    62: ("is for another host name", "Use the host name that stands in the certificate."),
    64: ("is for another address", "Use the host name that stands in the certificate."),
}
_PASSING = {
    errno.ECONNRESET: "the connection was cut",
    errno.ECONNABORTED: "the connection was cut",
    errno.EPIPE: "the connection was cut",
    errno.ENOTCONN: "the connection was cut",
    errno.ETIMEDOUT: "the server does not answer",
    errno.ENETUNREACH: "there is no way to its network",
    errno.EHOSTUNREACH: "there is no way to the host",
    errno.ENETDOWN: "the network is down",
    errno.EHOSTDOWN: "the host is down",
    errno.ECONNREFUSED: "the connection is refused",
}


def from_network_error(error: Exception, action: str, where: str) -> DestinationError | None:
    """Return the error an operator reads for `error`, met while trying to `action` (a verb and its object) at `where`.

    `where` names host and port. None for an error that is not one of the network.
    """
    text = f"Cannot {action} at {where}"
    if isinstance(error, ssl.SSLCertVerificationError):
        reason, hint = _CERTIFICATES.get(error.verify_code, ("is not trusted", "Look at the certificate."))
        return PeerNotTrusted(f"{text}: the certificate of the server {reason}.", hint)
    if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return ConnectionLost(f"{text}: the connection was cut.", _AGAIN)
    # of a record whose bytes changed on the way, found here or by the other side
    if isinstance(error, ssl.SSLError) and "RECORD" in (error.reason or ""):
        return ConnectionLost(f"{text}: what arrived is not what was sent ({error.reason}).", _AGAIN)
    if isinstance(error, ssl.SSLError):
        reason = error.reason or "unknown error"
        return DestinationUnavailable(f"{text}: TLS failed ({reason}).", "Check the port and the kind of encryption.")
    if isinstance(error, socket.gaierror):
        # EAI_AGAIN: the name server did not answer
        kind = ConnectionLost if error.errno == socket.EAI_AGAIN else DestinationUnavailable
        return kind(f"{text}: the host name cannot be resolved.", "Check the host name and the name server.")
    if isinstance(error, TimeoutError):
        return ConnectionLost(f"{text}: the server does not answer.", _REACH)
    if isinstance(error, EOFError):
        return ConnectionLost(f"{text}: the connection was cut.", _AGAIN)
    if isinstance(error, OSError) and error.errno in _PASSING:
        return ConnectionLost(f"{text}: {_PASSING[error.errno]}.", _REACH)
    if isinstance(error, ConnectionError):
        return ConnectionLost(f"{text}: the connection was cut.", _AGAIN)
    return None


def from_broken_tls(error: Exception, action: str, where: str) -> DestinationError | None:
    """Return the error for one of TLS after the handshake: a byte was altered on the way, or a server that dies wrote
    without encryption. None for any other error."""
    if not isinstance(error, ssl.SSLError) or isinstance(error, ssl.SSLCertVerificationError):
        return None
    return ConnectionLost(f"Cannot {action} at {where}: the connection was cut ({error.reason or 'TLS'}).", _AGAIN)


def from_library_error(error: Exception, action: str, where: str, explain: Explain) -> DestinationError | None:
    """Return the error an operator reads for one of a library: that of the network beneath it, if there is one.

    Else what `explain`, which takes the same and knows the library, returns.
    """
    if (cause := network_cause(error)) is not None and (known := from_network_error(cause, action, where)):
        return known
    return explain(error, action, where)
