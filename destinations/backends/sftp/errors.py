"""What asyncssh raises, as sentences for an operator."""

import concurrent.futures

import asyncssh

from destinations.backends.sftp import host_keys
from destinations.exceptions import (
    ConnectionLost,
    DestinationError,
    DestinationFull,
    DestinationUnavailable,
    NotFound,
    PeerNotTrusted,
)
from destinations.lib.operator_error import sentences
from destinations.network.errors import from_network_error

AGAIN = "Check the network and the server; the next try may succeed."
_RIGHTS = "Give the account the right to do that in this folder, or use another account or folder."
_LOST = (
    asyncssh.ConnectionLost,
    asyncssh.SFTPConnectionLost,
    asyncssh.SFTPNoConnection,
    concurrent.futures.CancelledError,
)
_LOGIN_HINTS = {
    "password": "Check user name and password, and that the server lets this account in by password.",
    "key": "Add the public half of the key to the account's authorized_keys on the server, and check the user name.",
    "agent": "Load a key that the server knows into the agent (ssh-add -l lists them), and check the user name.",
}


def untrusted(
    where: str, shown: host_keys.HostKey, expected: tuple[host_keys.HostKey, ...], file: str
) -> PeerNotTrusted:
    """Return the alarm of a host key that is not the pinned one; it names both fingerprints."""
    place = f"the file {file}" if file else f"the option {host_keys.OPTION!r}"
    if file and not expected:
        return PeerNotTrusted(
            f"The file {file} has no key of {where}, which shows the host key {shown}.",
            "Compare the fingerprint on the server; then add this line to the file: "
            f"'{known_hosts_name(where)} {shown.line}'.",
        )
    return PeerNotTrusted(
        f"The host key of {where} is not the trusted one. It shows {shown}, and {place} has "
        f"{host_keys.listed(expected)}. Another machine may answer in its place; nothing was sent.",
        "Ask who runs the server whether its key was replaced. Only then pin the new one: compare its fingerprint with "
        "what `ssh-keygen -lf` prints for the key on the server.",
    )


def known_hosts_name(where: str) -> str:
    """Return host and port as they are written in a known_hosts file."""
    host, _, port = where.rpartition(":")
    return host.strip("[]") if port == "22" else f"[{host.strip('[]')}]:{port}"


def connection_error(error: Exception, step: str, where: str, username: str, way: str) -> DestinationError:
    """Return the error an operator reads for one that ended the `step` of a connection."""
    text = f"Cannot {step} at {where}"
    if isinstance(error, asyncssh.PermissionDenied):
        what = {"password": "the password", "key": "the key", "agent": "every key of the agent"}.get(way, "the login")
        return DestinationUnavailable(
            f"{text} as {username}: the server refuses {what}.", _LOGIN_HINTS.get(way, "Check the account.")
        )
    if isinstance(error, asyncssh.ConnectionLost | asyncssh.SFTPConnectionLost):
        return ConnectionLost(f"{text}: the connection was cut.", AGAIN)
    if isinstance(error, asyncssh.ChannelOpenError | asyncssh.SFTPError | asyncssh.ProcessError):
        return DestinationUnavailable(
            f"{text} as {username}: the server gives this account no SFTP.",
            "Switch SFTP on for the account ('Subsystem sftp' in sshd_config of OpenSSH).",
        )
    if isinstance(error, asyncssh.KeyExchangeFailed):
        return DestinationUnavailable(
            sentences(f"{text}: the two sides have no method of encryption in common ({error.reason})"),
            "Update the SSH server.",
        )
    if isinstance(error, asyncssh.HostKeyNotVerifiable):
        return PeerNotTrusted(sentences(f"{text}: {error.reason}"), "Ask who runs the server about its host keys.")
    if isinstance(error, asyncssh.DisconnectError):
        return DestinationUnavailable(
            sentences(f"{text}: the server ended the connection ({error.reason})"),
            "Check the port, that an SSH server answers there, and its log.",
        )
    if isinstance(error, ValueError):
        return DestinationUnavailable(f"{text}: the server does not speak SSH.", "Check host and port.")
    known = from_network_error(error, step, where)
    if known is None:
        raise error
    return known


def request_error(error: Exception, action: str, where: str) -> DestinationError | None:
    """Return the error an operator reads for one of a request on an open connection; None when it is unknown."""
    text = f"Cannot {action} at {where}"
    if isinstance(error, _LOST):
        return ConnectionLost(f"{text}: the connection was cut.", AGAIN)
    if isinstance(error, asyncssh.SFTPNoSuchFile | asyncssh.SFTPNoSuchPath):
        return NotFound(f"{text}: there is no such file.", "See what the server has in that folder.")
    if isinstance(error, asyncssh.SFTPPermissionDenied | asyncssh.SFTPWriteProtect):
        return DestinationUnavailable(f"{text}: the server does not permit it.", _RIGHTS)
    if isinstance(error, asyncssh.SFTPNoSpaceOnFilesystem | asyncssh.SFTPQuotaExceeded):
        return DestinationFull(f"{text}: the disk or the quota of the account is full.", "Free some space there.")
    if isinstance(error, asyncssh.SFTPError):
        reason = error.reason or f"code {error.code}"
        return DestinationUnavailable(
            sentences(f"{text}: the server failed ({reason})"), "See the log of the server and the state of its disk."
        )
    if isinstance(error, asyncssh.DisconnectError):
        return ConnectionLost(sentences(f"{text}: the connection ended ({error.reason})"), AGAIN)
    return None
