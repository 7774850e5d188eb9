"""What rclone says, as sentences for an operator. Its exit code tells little: 1 stands for most of what can happen."""

import re
import signal

from destinations.backends.rclone.program import TEMPORARY, RcloneFailed
from destinations.exceptions import (
    ConnectionLost,
    DestinationConfigError,
    DestinationError,
    DestinationFull,
    DestinationUnavailable,
    NotFound,
    PeerNotTrusted,
)
from destinations.lib.formats import human_size
from destinations.lib.operator_error import sentences

# in this order: the first whose pattern is found
_KINDS: tuple[tuple[str, type[DestinationError], str], ...] = (
    (
        r"\benter .*(password|passphrase)|failed to read line",
        DestinationConfigError,
        "The remote asks for a password, which nobody enters here: store it with `rclone config`.",
    ),
    (
        r"didn't find section|didn't find backend|unable to decrypt configuration|couldn't decrypt|config file",
        DestinationConfigError,
        "See `rclone listremotes` as the user who runs this site, and the password of the configuration file.",
    ),
    (
        r"host key|knownhosts|key mismatch|x509:|certificate",
        PeerNotTrusted,
        "Ask who runs the server whether its key or certificate was replaced before the remote is told to trust it.",
    ),
    (
        r"no space left|remaining disk space|quota|insufficient storage|storage ?full|disk full|over limit",
        DestinationFull,
        "Free some space there, or see about the quota of the account.",
    ),
    (
        r"permission denied|access ?denied|forbidden|unauthorized|unable to authenticate|invalid_grant|"
        r"login incorrect|status code 40[13]|\b40[13] |read-only",
        DestinationUnavailable,
        "Try `rclone lsd` as the user who runs this site: check the login of the remote and what the account may do.",
    ),
    (
        r"connection refused|connection reset|broken pipe|i/o timeout|timed? ?out|deadline exceeded|unexpected eof|"
        r"connection lost|no route to host|network is unreachable|temporary failure|server misbehaving|"
        r"too many requests|\b429\b|\b50[0234]\b|: eof",
        ConnectionLost,
        "Check the network and the server; the next try may succeed.",
    ),
    (r"no such host", DestinationUnavailable, "Check the host name of the remote and the name server."),
)
_COMPILED = [(re.compile(pattern, re.IGNORECASE), kind, hint) for pattern, kind, hint in _KINDS]


def says_why(failed: RcloneFailed) -> bool:
    """Whether the reason is a known one. SFTP, for example, has no code for a full disk."""
    return failed.code < 0 or any(pattern.search(failed.said) for pattern, _, _ in _COMPILED)


def no_room(failed: RcloneFailed, where: str, size: int, free: int) -> DestinationFull:
    return DestinationFull(
        sentences(
            f"{where} was not stored: it has {human_size(size)}, and {human_size(free)} are free ({failed.said})"
        ),
        "Free some space there, or see about the quota of the account.",
    )


def explain(failed: RcloneFailed, action: str, where: str) -> DestinationError:
    """Return the error an operator reads."""
    if failed.is_missing:
        return NotFound(f"Cannot {action} at {where}: it is not there.", "See what `rclone lsf` lists.")
    if failed.code < 0:
        name = signal.Signals(-failed.code).name
        return ConnectionLost(
            f"Cannot {action} at {where}: the program was ended by {name}.",
            "See whether this machine ran out of memory; the next try may succeed.",
        )
    reason = failed.said or f"it ended with code {failed.code} and said nothing"
    message = sentences(f"Cannot {action} at {where}: {reason}")
    for pattern, kind, hint in _COMPILED:
        if pattern.search(failed.said):
            return kind(message, hint)
    if failed.code == TEMPORARY:
        return ConnectionLost(message, "It may pass; the next try may succeed.")
    return DestinationUnavailable(message, "Try `rclone lsf` with the remote as the user who runs this site.")
