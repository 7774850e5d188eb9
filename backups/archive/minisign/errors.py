"""What can be wrong with a signature: one class for each thing that an operator has to be told apart."""

from backups.archive.errors import ArchiveError


class SignatureError(ArchiveError):
    """Any refusal of a signature or of a signing key."""


class SigningKeyError(SignatureError):
    """A key that cannot be read or written; the text never repeats a secret."""


class MalformedSignatureError(SignatureError):
    """The text is no minisign signature of a kind that is accepted."""


class UnknownSignerError(SignatureError):
    """The signature is by a key that is not among the trusted ones: it says nothing about the file."""

    def __init__(self, message: str, hint: str = "", *, key_id: str = "") -> None:
        super().__init__(message, hint)
        self.key_id = key_id


class BadSignatureError(SignatureError):
    """The signature names a trusted key, and does not fit: file, comment or signature were changed."""
