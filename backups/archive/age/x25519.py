"""X25519 recipients (`age1...`) and identities (`AGE-SECRET-KEY-1...`)."""

import re

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from backups.archive.age.bech32 import decode_bech32, encode_bech32
from backups.archive.age.errors import AgeKeyError
from backups.archive.age.header import Stanza, derive_key
from backups.archive.age.wrapping import binary_argument, check_shape, malformed_stanza, open_file_key, seal_file_key
from backups.archive.base64 import encode_base64

STANZA_TYPE = "X25519"
KEY_BYTES = 32
_RECIPIENT_PREFIX = "age"
_IDENTITY_PREFIX = "age-secret-key-"
_INFO = b"age-encryption.org/v1/X25519"
# A text that begins like this is public, even when misspelt; any other may be a secret in the wrong place.
_PUBLIC = re.compile(r"(?i)age1|ssh-")
_RECIPIENT_HINT = "A recipient is the line age1... that age-keygen -y prints."


def _share(stanza: Stanza) -> bytes:
    check_shape(stanza, 1)
    return binary_argument(stanza, 1, KEY_BYTES)


def check(stanza: Stanza) -> None:
    """Raise AgeHeaderError unless `stanza` is well formed."""
    _share(stanza)


def parse_recipient(text: str) -> bytes:
    """Return the public key of an `age1...` recipient; raises AgeKeyError that quotes only a public text."""
    # anything else may be a secret in the wrong setting
    named = repr(text) if _PUBLIC.match(str(text)) else "What was given"
    try:
        prefix, key = decode_bech32(text)
    except ValueError as error:
        raise AgeKeyError(f"{named} is not an age recipient: {error}.", hint=_RECIPIENT_HINT) from None
    if prefix == _IDENTITY_PREFIX:
        raise AgeKeyError(
            "What was given as a recipient is an identity, the secret half of a key.", hint=_RECIPIENT_HINT
        )
    if prefix != _RECIPIENT_PREFIX or len(key) != KEY_BYTES or text != text.lower():
        raise AgeKeyError(
            f"{named} is not an X25519 recipient.",
            hint="Use a recipient made by age-keygen: other types cannot be opened by every age program.",
        )
    return key


def wrap(recipient: str, file_key: bytes) -> Stanza:
    """Return the stanza for `recipient`; raises AgeKeyError."""
    public_key = parse_recipient(recipient)
    ephemeral = X25519PrivateKey.generate()
    share = ephemeral.public_key().public_bytes_raw()
    try:
        secret = ephemeral.exchange(X25519PublicKey.from_public_bytes(public_key))
    except ValueError:
        raise AgeKeyError(
            f"{recipient!r} is a point of low order, which protects nothing.", hint="Make a key with age-keygen."
        ) from None
    wrapping_key = derive_key(secret, salt=share + public_key, info=_INFO)
    return Stanza((STANZA_TYPE, encode_base64(share, padding=False)), seal_file_key(wrapping_key, file_key))


class X25519Identity:
    """The secret half of an X25519 key."""

    stanza_type = STANZA_TYPE

    def __init__(self, secret: bytes) -> None:
        self._key = X25519PrivateKey.from_private_bytes(secret)
        self._public_key = self._key.public_key().public_bytes_raw()

    @property
    def recipient(self) -> str:
        return encode_bech32(_RECIPIENT_PREFIX, self._public_key)

    def unwrap(self, stanza: Stanza) -> bytes | None:
        share = _share(stanza)
        try:
            secret = self._key.exchange(X25519PublicKey.from_public_bytes(share))
        except ValueError:
            raise malformed_stanza(stanza, "its share is a point of low order") from None
        return open_file_key(derive_key(secret, salt=share + self._public_key, info=_INFO), stanza.body)


def generate() -> tuple[str, X25519Identity]:
    """Return a new identity as text and as an object."""
    secret = X25519PrivateKey.generate().private_bytes_raw()
    return encode_bech32(_IDENTITY_PREFIX, secret).upper(), X25519Identity(secret)


def parse_identity(prefix: str, secret: bytes) -> X25519Identity | None:
    """Return the identity of a decoded Bech32 string, None for another type."""
    if prefix != _IDENTITY_PREFIX or len(secret) != KEY_BYTES:
        return None
    return X25519Identity(secret)
