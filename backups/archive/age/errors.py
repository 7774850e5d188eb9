"""Errors of age files and keys, one class for each that a caller may have to distinguish."""

from backups.archive.errors import ArchiveError, NotPossibleHere

DAMAGED_HINT = "Fetch the file again. If it is the same, use another backup."


class AgeError(ArchiveError):
    """Base class: an age file or key cannot be used."""


class AgeKeyError(AgeError, NotPossibleHere):
    """A recipient, identity or passphrase cannot be used; the message quotes no secret."""


class AgeMemoryError(AgeError, NotPossibleHere):
    """There is not enough memory to derive a key from a passphrase."""


class AgeArmorError(AgeError):
    """The ASCII armour is malformed."""


class AgeHeaderError(AgeError):
    """The header is malformed or exceeds a limit."""


class AgeHeaderMacError(AgeError):
    """The file key was unwrapped, but the MAC of the header does not match."""


class AgeNoMatchError(AgeError, NotPossibleHere):
    """The header is well formed, but none of the given keys unwraps the file key."""


class AgePayloadError(AgeError):
    """The payload was truncated, extended, reordered or changed."""
