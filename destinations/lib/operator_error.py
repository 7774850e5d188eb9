"""The base of every error that an operator reads, and how texts of errors are put together. Plain Python."""

from typing import Self

from destinations.lib.formats import printable
from destinations.lib.redaction import redact_cut

# of a message or a hint, in characters: libraries quote what a server answered, archives and services choose names
LONGEST = 8_000


class OperatorError(Exception):
    """A refusal or failure: `message` says what and where, `hint` what to do about it.

    Both are whole sentences that hold no secret and no line break. `option` is what a command is given to do it all the
    same: commands print it, pages have a box of their own for it. `exit_status` is that of a command that ends with the
    error.
    """

    exit_status = 1
    option = ""

    def __init__(self, message: str, hint: str = "") -> None:
        self.message = printable(redact_cut(message, first=LONGEST))
        self.hint = printable(redact_cut(hint, first=LONGEST))
        super().__init__(self.message)

    def needing(self, option: str) -> Self:
        """Return this error with its `option`."""
        self.option = option
        return self

    def adding(self, *texts: str) -> Self:
        """Return this error with further sentences at the end of its message."""
        self.message = printable(redact_cut(sentences(self.message, *texts), first=LONGEST))
        self.args = (self.message,)
        return self

    @property
    def text(self) -> str:
        """Message and hint."""
        return sentences(self.message, self.hint)


def sentences(*texts: str) -> str:
    """Return `texts` one after the other, each with a full stop at its end; empty ones are left out."""
    stripped = filter(None, (text.strip() for text in texts))
    return " ".join(text if text.endswith((".", "!", "?")) else f"{text}." for text in stripped)
