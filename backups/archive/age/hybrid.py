"""MLKEM768-X25519 identities (`AGE-SECRET-KEY-PQ-1...`), reading only: few age programs support this type."""

import hashlib

from cryptography.exceptions import InvalidTag, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hpke
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from backups.archive.age.errors import AgeKeyError
from backups.archive.age.header import Stanza
from backups.archive.age.wrapping import binary_argument, check_shape, malformed_stanza

STANZA_TYPE = "mlkem768x25519"
_IDENTITY_PREFIX = "age-secret-key-pq-"
_SECRET_BYTES = 32
_MLKEM_SEED_BYTES = 64
_MLKEM_CIPHERTEXT_BYTES = 1088
_ENCAPSULATED_BYTES = _MLKEM_CIPHERTEXT_BYTES + 32
_INFO = b"age-encryption.org/mlkem768x25519"


def _encapsulated(stanza: Stanza) -> bytes:
    check_shape(stanza, 1)
    return binary_argument(stanza, 1, _ENCAPSULATED_BYTES)


def check(stanza: Stanza) -> None:
    """Raise AgeHeaderError unless `stanza` is well formed."""
    _encapsulated(stanza)


class HybridIdentity:
    """The secret of an X-Wing key: the seed of an ML-KEM-768 and an X25519 key (filippo.io/hpke-pq)."""

    stanza_type = STANZA_TYPE

    def __init__(self, secret: bytes) -> None:
        expanded = hashlib.shake_256(secret).digest(_MLKEM_SEED_BYTES + 32)
        self._x25519 = X25519PrivateKey.from_private_bytes(expanded[_MLKEM_SEED_BYTES:])
        mlkem = MLKEM768PrivateKey.from_seed_bytes(expanded[:_MLKEM_SEED_BYTES])
        self._key = hpke.MLKEM768X25519PrivateKey(mlkem, self._x25519)
        self._suite = hpke.Suite(hpke.KEM.MLKEM768_X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.CHACHA20_POLY1305)

    def unwrap(self, stanza: Stanza) -> bytes | None:
        encapsulated = _encapsulated(stanza)
        share = X25519PublicKey.from_public_bytes(encapsulated[_MLKEM_CIPHERTEXT_BYTES:])
        try:
            # a share of low order is malformed, not an identity that does not match
            self._x25519.exchange(share)
        except ValueError:
            raise malformed_stanza(stanza, "its share is a point of low order") from None
        try:
            return self._suite.decrypt(encapsulated + stanza.body, self._key, _INFO)
        except InvalidTag:
            return None


def parse_identity(prefix: str, secret: bytes) -> HybridIdentity | None:
    """Return the identity of a decoded Bech32 string, None for another type; raises AgeKeyError."""
    if prefix != _IDENTITY_PREFIX or len(secret) != _SECRET_BYTES:
        return None
    try:
        return HybridIdentity(secret)
    except UnsupportedAlgorithm:
        raise AgeKeyError(
            "The installed cryptography package cannot read post-quantum age identities.",
            hint="Install its wheel from PyPI, or use the age program.",
        ) from None
