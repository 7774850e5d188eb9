"""The one error of this package."""


class ArchiveError(Exception):
    """An archive, manifest or key that cannot be used: `message` names what and where, `hint` says what to do."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
