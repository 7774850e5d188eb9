"""What can be wrong with an age file or an age key: one class for each thing a caller may want to tell apart."""

from backups.archive.errors import ArchiveError

DAMAGED_HINT = "Fetch the file again; if it is the same, use another backup."


class AgeError(ArchiveError):
    """Any refusal of the age format."""


class AgeKeyError(AgeError):
    """A recipient, identity or passphrase that cannot be used; the text never repeats a secret."""


class AgeArmorError(AgeError):
    """The ASCII armour is not strictly formed."""


class AgeHeaderError(AgeError):
    """The header is not strictly formed, or asks for more than is accepted."""


class AgeHeaderMacError(AgeError):
    """The file key was unwrapped, but the header was changed after it was written."""


class AgeNoMatchError(AgeError):
    """The header is well formed, and none of the given keys opens it."""


class AgePayloadError(AgeError):
    """The payload was cut, extended, reordered or changed."""
