"""Errors of signatures and signing keys, one class for each that a caller has to distinguish."""

from backups.archive.errors import ArchiveError


class SignatureError(ArchiveError):
    """Base class: a signature or a signing key cannot be used."""


class SigningKeyError(SignatureError):
    """A key cannot be read or written; the message quotes no secret."""


class MalformedSignatureError(SignatureError):
    """The text is not a minisign signature of an accepted kind."""


class UnknownSignerError(SignatureError):
    """The signature is by a key that is not trusted, so that the file is not verified."""

    def __init__(self, message: str, hint: str = "", *, key_id: str = "") -> None:
        super().__init__(message, hint)
        self.key_id = key_id


class BadSignatureError(SignatureError):
    """The signature is by a trusted key and does not match: file, comment or signature were changed."""
