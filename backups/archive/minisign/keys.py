"""Ed25519 keys in the files of minisign: public keys, and secret keys without a password (`minisign -G -W`)."""

import secrets
import struct
from dataclasses import dataclass, field
from typing import Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from backups.archive.base64 import encode_base64
from backups.archive.minisign.errors import SigningKeyError
from backups.archive.minisign.text import (
    ALGORITHM,
    KEY_ID_BYTES,
    UNTRUSTED,
    decode_exactly,
    display_key_id,
    split_lines,
)

_KEY_BYTES = 32
_PUBLIC_BYTES = len(ALGORITHM) + KEY_ID_BYTES + _KEY_BYTES
# algorithms; salt and limits of scrypt (zero without a password); key id; seed; public key; checksum (zero, too)
_SECRET = struct.Struct("6s 48s 8s 32s 32s 32s")
_NO_PASSWORD = ALGORITHM + bytes(2) + b"B2"


@dataclass(frozen=True, slots=True)
class PublicKey:
    """The public half of a signing key; `key_id` only selects the key and is not authenticated."""

    key_id: bytes
    raw: bytes

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse the base64 line of a minisign public key, or its file of two lines; raises SigningKeyError."""
        try:
            data = decode_exactly(split_lines(text)[-1].strip(), _PUBLIC_BYTES)
        except ValueError:
            data = b""
        if not data.startswith(ALGORITHM):
            raise SigningKeyError(
                "A trusted public key is not a minisign public key.", hint="It is the line that begins with RW."
            )
        return cls(data[2 : 2 + KEY_ID_BYTES], data[2 + KEY_ID_BYTES :])

    @property
    def id(self) -> str:
        """The key id as the minisign program prints it."""
        return display_key_id(self.key_id)

    @property
    def text(self) -> str:
        """The base64 line that `minisign -P` takes."""
        return encode_base64(ALGORITHM + self.key_id + self.raw, padding=True)

    @property
    def file_text(self) -> str:
        """The content of a public key file, for `minisign -p`."""
        return f"{UNTRUSTED}minisign public key {self.id}\n{self.text}\n"

    def verifies(self, signature: bytes, message: bytes) -> bool:
        try:
            Ed25519PublicKey.from_public_bytes(self.raw).verify(signature, message)
        except InvalidSignature:
            return False
        return True


@dataclass(frozen=True, slots=True)
class SigningKey:
    """The secret half; its repr does not show the seed."""

    key_id: bytes
    seed: bytes = field(repr=False)

    @classmethod
    def generate(cls) -> Self:
        return cls(secrets.token_bytes(KEY_ID_BYTES), secrets.token_bytes(_KEY_BYTES))

    @property
    def public_key(self) -> PublicKey:
        return PublicKey(self.key_id, self._key().public_key().public_bytes_raw())

    @property
    def file_text(self) -> str:
        """The content of a secret key file without a password, for `minisign -s`."""
        data = _SECRET.pack(_NO_PASSWORD, b"", self.key_id, self.seed, self.public_key.raw, b"")
        return f"{UNTRUSTED}minisign secret key {self.public_key.id}\n{encode_base64(data, padding=True)}\n"

    def sign(self, message: bytes) -> bytes:
        return self._key().sign(message)

    def _key(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(self.seed)


def parse_signing_key(text: str, origin: str) -> SigningKey:
    """Parse the content of a secret key file without a password; raises SigningKeyError that names `origin`."""
    try:
        data = decode_exactly(split_lines(text)[-1], _SECRET.size)
    except ValueError:
        raise _not_a_key(origin) from None
    algorithms, _, key_id, seed, public, _ = _SECRET.unpack(data)
    if algorithms != _NO_PASSWORD and algorithms.startswith(ALGORITHM):
        raise SigningKeyError(
            f"The signing key {origin} is locked with a password.",
            hint=f"Remove the password with 'minisign -C -W -s {origin}'.",
        )
    key = SigningKey(key_id, seed)
    # without a password the file has no checksum: compare the two halves of the key
    if algorithms != _NO_PASSWORD or key.public_key.raw != public:
        raise _not_a_key(origin)
    return key


def _not_a_key(origin: str) -> SigningKeyError:
    return SigningKeyError(f"{origin} is not a minisign secret key.", hint="Restore the file, or make a new key.")
