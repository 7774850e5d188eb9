"""What the recipient types share: arguments and bodies of known stanzas are exact, and the file key is sealed once."""

from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from backups.archive.age.errors import DAMAGED_HINT, AgeHeaderError
from backups.archive.age.header import FILE_KEY_BYTES, Stanza
from backups.archive.base64 import decode_base64

WRAPPED_KEY_BYTES = FILE_KEY_BYTES + 16
# Every wrapping key is used once, so that the format fixes the nonce.
_NONCE = bytes(12)


class Identity(Protocol):
    """A secret that may open stanzas of one type."""

    stanza_type: str

    def unwrap(self, stanza: Stanza) -> bytes | None:
        """Return the file key, or None when `stanza` is for somebody else; raises AgeHeaderError."""


def malformed_stanza(stanza: Stanza, reason: str) -> AgeHeaderError:
    return AgeHeaderError(
        f"The header of the age file has a malformed {stanza.type} stanza: {reason}.", hint=DAMAGED_HINT
    )


def check_shape(stanza: Stanza, arguments: int) -> None:
    """Hold a stanza to its number of `arguments` after the type, and its body to one wrapped file key.

    The length is checked before decryption: a longer body would help to guess which of several keys was used.
    """
    if len(stanza.arguments) != arguments + 1:
        raise malformed_stanza(stanza, f"it has not {arguments} arguments")
    if len(stanza.body) != WRAPPED_KEY_BYTES:
        raise malformed_stanza(stanza, f"its body is not of {WRAPPED_KEY_BYTES} bytes")


def binary_argument(stanza: Stanza, place: int, size: int) -> bytes:
    """Return the argument at `place`, which must be canonical base64 of `size` bytes."""
    try:
        data = decode_base64(stanza.arguments[place], padding=False)
    except ValueError:
        raise malformed_stanza(stanza, f"argument {place} is not canonical base64") from None
    if len(data) != size:
        raise malformed_stanza(stanza, f"argument {place} is not of {size} bytes")
    return data


def seal_file_key(wrapping_key: bytes, file_key: bytes) -> bytes:
    return ChaCha20Poly1305(wrapping_key).encrypt(_NONCE, file_key, None)


def open_file_key(wrapping_key: bytes, body: bytes) -> bytes | None:
    try:
        return ChaCha20Poly1305(wrapping_key).decrypt(_NONCE, body, None)
    except InvalidTag:
        return None
