"""What WebDAV servers answer, as sentences for an operator."""

import http.client
from urllib.error import HTTPError

from destinations.exceptions import (
    ConnectionLost,
    DestinationError,
    DestinationFull,
    DestinationUnavailable,
    NameTaken,
    NotFound,
)
from destinations.lib.operator_error import sentences
from destinations.network.retry_after import retry_after

AGAIN = "Check the network and the server; the next try may succeed."
_RIGHTS = "Give the account the right to do that in this folder, or use another account or folder."
_FULL = "Free some space there, or see about the quota and the largest file of the account."
_LOG = "See the log of the server."
_PASSING = {408, 429, 502, 503, 504}
# status: the class, what the server says, and what to do
_ANSWERS: dict[int, tuple[type[DestinationError], str, str]] = {
    401: (
        DestinationUnavailable,
        "the server refuses the login",
        "Check user name and password or the token; accounts with a second factor need a password of the application.",
    ),
    403: (DestinationUnavailable, "the server does not permit it", _RIGHTS),
    404: (NotFound, "there is no such file", "Check the address and the folder."),
    405: (
        DestinationUnavailable,
        "the server does not do that at this address",
        "Check that it is the address of a WebDAV folder, and that the server lets it be written to.",
    ),
    409: (
        DestinationUnavailable,
        "the folder above does not exist",
        "Check the address and the folder, and that the server has its disk mounted; or make the folder there.",
    ),
    412: (NameTaken, "the name is in use", "Nothing is overwritten."),
    413: (DestinationFull, "the file is larger than the server takes", "Raise the largest size of an upload there."),
    423: (
        DestinationUnavailable,
        "the file is locked by another program",
        "See which program holds it open there, and try again.",
    ),
    507: (DestinationFull, "the disk or the quota of the account is full", _FULL),
}


def answer_error(error: Exception, action: str, where: str) -> DestinationError | None:
    """Return the error an operator reads for an answer of the server; None for any other error."""
    text = f"Cannot {action} at {where}"
    if isinstance(error, http.client.IncompleteRead):
        return ConnectionLost(f"{text}: the connection was cut.", AGAIN)
    if isinstance(error, http.client.HTTPException) and not isinstance(error, ConnectionError):
        return DestinationUnavailable(f"{text}: the server does not answer as HTTP says.", "Check the address.")
    if not isinstance(error, HTTPError):
        return None
    said = f"{error.code} {error.msg}".strip()
    if error.code in _PASSING:
        after = retry_after(str(error.hdrs.get("Retry-After", "")))
        return ConnectionLost(sentences(f"{text}: the server does not do it now ({said})"), AGAIN, after)
    if 300 <= error.code < 400:
        target = error.hdrs.get("Location", "another address")
        return DestinationUnavailable(
            sentences(f"{text}: the server sends on to {target}, which is not followed with a password"),
            "Give the address at which the server answers itself.",
        )
    if known := _ANSWERS.get(error.code):
        kind, reason, hint = known
        return kind(sentences(f"{text}: {reason} ({said})"), hint)
    return DestinationUnavailable(sentences(f"{text}: the server refuses it ({said})"), _LOG)
