# ruff: noqa: N818 - named for what happened; the base says that they are errors
"""Errors of destinations."""

from datetime import datetime

from destinations.lib.operator_error import OperatorError


class DestinationError(OperatorError):
    """Base of all of them."""


class DestinationConfigError(DestinationError):
    """The type or an option is wrong; `option` names it where there is one."""

    def __init__(self, message: str, hint: str = "", option: str = "") -> None:
        super().__init__(message, hint)
        self.option = option


class NotFound(DestinationError):
    """There is no file of that name."""


class NameTaken(DestinationError):
    """A file of that name exists and is never overwritten."""


class Locked(DestinationError):
    """The store refuses to delete a file before `until`; None where it does not say when its lock ends."""

    def __init__(self, message: str, hint: str = "", until: datetime | None = None) -> None:
        super().__init__(message, hint)
        self.until = until


class AppendOnly(DestinationError):
    """Nothing is deleted there by this site: its store decides when files go."""


class DestinationInUse(DestinationError):
    """Schedules, copies or runs need it: it is not deleted."""


class DestinationFull(DestinationError):
    """No space, a quota or a size limit."""


class DestinationUnavailable(DestinationError):
    """Gone, read-only, refused or broken."""


# whatever a server asks for: then the whole upload is tried again later
LONGEST_WAIT_SECONDS = 300.0


class ConnectionLost(DestinationUnavailable):
    """Cut, timed out or not there at this moment: it may pass, and is tried again.

    `retry_after` is in seconds, at most `LONGEST_WAIT_SECONDS`.
    """

    def __init__(self, message: str, hint: str = "", retry_after: float = 0.0) -> None:
        super().__init__(message, hint)
        self.retry_after = min(retry_after, LONGEST_WAIT_SECONDS)


class PeerNotTrusted(DestinationUnavailable):
    """The certificate or host key is not the one that is trusted: another server may answer."""


class VerificationFailed(DestinationError):
    """What was read back is not what was written."""
