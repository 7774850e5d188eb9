"""Common parts of the recipient types: checks of a stanza, and encryption of the file key with a wrapping key."""

from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from backups.archive.age.errors import DAMAGED_HINT, AgeHeaderError
from backups.archive.age.header import FILE_KEY_BYTES, Stanza
from backups.archive.base64 import decode_base64

WRAPPED_KEY_BYTES = FILE_KEY_BYTES + 16
# fixed by the format: every wrapping key is used only once
_NONCE = bytes(12)


class Identity(Protocol):
    """A secret that unwraps the file key from stanzas of one type."""

    stanza_type: str

    def unwrap(self, stanza: Stanza) -> bytes | None:
        """Return the file key, None when `stanza` is for another recipient; raises AgeHeaderError."""


def malformed_stanza(stanza: Stanza, reason: str) -> AgeHeaderError:
    return AgeHeaderError(
        f"The header of the age file has a malformed {stanza.type} stanza: {reason}.", hint=DAMAGED_HINT
    )


def check_shape(stanza: Stanza, arguments: int) -> None:
    """Raise AgeHeaderError unless the stanza has `arguments` after its type and the body of one wrapped file key."""
    if len(stanza.arguments) != arguments + 1:
        raise malformed_stanza(stanza, f"it does not have {arguments} arguments")
    # before any decryption: with longer bodies partitioning oracle attacks can guess which of several keys was used
    if len(stanza.body) != WRAPPED_KEY_BYTES:
        raise malformed_stanza(stanza, f"its body does not have {WRAPPED_KEY_BYTES} bytes")


def binary_argument(stanza: Stanza, place: int, size: int) -> bytes:
    """Decode the argument number `place`, canonical base64 of `size` bytes; raises AgeHeaderError."""
    try:
        data = decode_base64(stanza.arguments[place], padding=False)
    except ValueError:
        raise malformed_stanza(stanza, f"argument {place} is not canonical base64") from None
    if len(data) != size:
        raise malformed_stanza(stanza, f"argument {place} does not have {size} bytes")
    return data


def seal_file_key(wrapping_key: bytes, file_key: bytes) -> bytes:
    return ChaCha20Poly1305(wrapping_key).encrypt(_NONCE, file_key, None)


def open_file_key(wrapping_key: bytes, body: bytes) -> bytes | None:
    try:
        return ChaCha20Poly1305(wrapping_key).decrypt(_NONCE, body, None)
    except InvalidTag:
        return None
