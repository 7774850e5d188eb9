"""What FTP servers answer, as sentences for an operator."""

import ftplib

from destinations.exceptions import (
    ConnectionLost,
    DestinationError,
    DestinationFull,
    DestinationUnavailable,
    NotFound,
)
from destinations.lib.operator_error import sentences

AGAIN = "Check the network and the server; the next try may succeed."
_RIGHTS = "Give the account the right to do that in this folder, or use another account or folder."
_FULL = "Free some space there, or see about the quota and the largest file of the account, and the server's log."
_LOG = "See the log of the server."
# a server that is busy, shuts down or lost a data connection
_PASSING = {"421", "425", "426", "450"}
# 451 of a server that cannot write: it has no more room, or its disk fails
_NO_ROOM = {"452", "552"}
_MISSING = ("no such file", "not found", "not exist", "cannot find")
_FAILED_LISTING = ("fail", "denied", "not permitted", "cannot", "error")


def said(error: Exception) -> str:
    return str(error).rstrip(".")


def code_of(error: Exception) -> str:
    return str(error)[:3]


def says_missing(error: Exception) -> bool:
    """Whether the server says that there is nothing of that name; many say only that they did not do it."""
    return code_of(error) == "550" and any(word in str(error).lower() for word in _MISSING)


def listing_failed(answer: str) -> bool:
    """Whether the answer to a listing says that it is not one: vsftpd reports success, and failure in words."""
    return any(word in answer.lower() for word in _FAILED_LISTING)


def login_error(error: ftplib.Error, action: str, where: str, username: str, answer: str) -> DestinationError:
    """Return the error of a login; `answer` is that of the server, without the password."""
    text = f"Cannot {action} at {where}"
    if code_of(error) in _PASSING or isinstance(error, ftplib.error_temp):
        return ConnectionLost(
            sentences(f"{text}: the server does not take the login now ({answer.rstrip('.')})"), AGAIN
        )
    return DestinationUnavailable(
        sentences(f"{text} as {username}: the server refuses it ({answer.rstrip('.')})"),
        "Check user name and password, that the server lets this account in, and whether it asks for encryption.",
    )


def encryption_error(error: ftplib.Error, action: str, where: str) -> DestinationError:
    """Return the error of a server that does not begin TLS."""
    text = f"Cannot {action} at {where}"
    if code_of(error) in _PASSING:
        return ConnectionLost(sentences(f"{text}: the server does not do it now ({said(error)})"), AGAIN)
    return DestinationUnavailable(
        sentences(f"{text}: the server has no explicit TLS ({said(error)})"),
        "Switch TLS on at the server, or choose another 'encryption'. The password was not sent.",
    )


def reply_error(error: Exception, action: str, where: str) -> DestinationError | None:
    """Return the error an operator reads for an answer of the server; None for any other error."""
    if not isinstance(error, ftplib.Error):
        return None
    text = f"Cannot {action} at {where}"
    code = code_of(error)
    if code in _PASSING:
        return ConnectionLost(sentences(f"{text}: the server broke it off ({said(error)})"), AGAIN)
    if code in _NO_ROOM:
        return DestinationFull(
            sentences(f"{text}: the disk or the quota of the account is full ({said(error)})"), _FULL
        )
    if says_missing(error):
        return NotFound(sentences(f"{text}: there is no such file ({said(error)})"), "See what the server has there.")
    if code in ("550", "553", "532"):
        return DestinationUnavailable(sentences(f"{text}: the server does not permit it ({said(error)})"), _RIGHTS)
    if code == "522":
        return DestinationUnavailable(
            sentences(f"{text}: the server does not take the TLS session of the data connection ({said(error)})"), _LOG
        )
    if isinstance(error, ftplib.error_proto | ftplib.error_reply):
        return DestinationUnavailable(
            sentences(f"{text}: the server does not answer as FTP says ({str(error)[:200]})"), "Check host and port."
        )
    return DestinationUnavailable(sentences(f"{text}: the server refuses it ({said(error)})"), _LOG)
