# ruff: noqa: N818 - named for what happened; the base says that they are errors
"""What can go wrong at a destination."""

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


class DestinationFull(DestinationError):
    """No space, a quota or a size limit."""


class DestinationUnavailable(DestinationError):
    """Gone, read-only, refused or broken."""


class VerificationFailed(DestinationError):
    """What was read back is not what was written."""
