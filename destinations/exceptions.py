# ruff: noqa: N818 - named for what happened; the base says that they are errors
"""What can go wrong at a destination: one sentence that names what and where, and a hint that says what to do."""

from destinations.redaction import redact_cut

# of a message or a hint: libraries quote whatever a server answered
LONGEST = 8_000


class DestinationError(Exception):
    """Base of all of them. `message` and `hint` are shown to operators and never hold a secret."""

    def __init__(self, message: str, hint: str = "") -> None:
        self.message = redact_cut(message, first=LONGEST)
        self.hint = redact_cut(hint, first=LONGEST)
        super().__init__(self.message)


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
