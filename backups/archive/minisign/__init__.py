"""Signatures in the minisign format: Ed25519 over the BLAKE2b-512 digest of a file ("prehashed", algorithm `ED`).

`minisign -Vm FILE -P PUBLICKEY` verifies these signatures, and `verify_digest` those of minisign without its option
`-l`. Every error is a `SignatureError`.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from backups.archive.base64 import encode_base64
from backups.archive.minisign.errors import (
    BadSignatureError,
    MalformedSignatureError,
    SignatureError,
    SigningKeyError,
    UnknownSignerError,
)
from backups.archive.minisign.keys import PublicKey, SigningKey, parse_signing_key
from backups.archive.minisign.text import (
    ALGORITHM,
    KEY_ID_BYTES,
    UNTRUSTED,
    decode_exactly,
    display_key_id,
    split_lines,
)

__all__ = [
    "BadSignatureError",
    "MalformedSignatureError",
    "PublicKey",
    "SignatureError",
    "SigningKey",
    "SigningKeyError",
    "UnknownSignerError",
    "VerifiedBy",
    "file_digest",
    "new_digest",
    "parse_signing_key",
    "sign_digest",
    "verify_digest",
]

_PREHASHED = b"ED"
_TRUSTED = "trusted comment: "
_SIGNATURE_BYTES = 64
_MAX_COMMENT = 1024
_MAX_BYTES = 16 * 1024
_DAMAGED_HINT = "Fetch the signature again. If it is the same, use another backup."


@dataclass(frozen=True, slots=True)
class VerifiedBy:
    """The trusted key that signed a file, and the signed comment."""

    key: PublicKey
    trusted_comment: str


@dataclass(frozen=True, slots=True)
class _Signature:
    key_id: bytes
    signature: bytes
    trusted_comment: str
    global_signature: bytes

    @property
    def globally_signed(self) -> bytes:
        return self.signature + self.trusted_comment.encode()


def new_digest() -> "hashlib.blake2b":
    """Return a new hash object for the digest that is signed."""
    return hashlib.blake2b(digest_size=64)


def file_digest(path: Path) -> bytes:
    """Return the digest that is signed of the file at `path`."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, new_digest).digest()


def sign_digest(digest: bytes, key: SigningKey, trusted_comment: str) -> str:
    """Return the text of a `.minisig` file for a `digest` of `new_digest`; raises SignatureError."""
    # minisign separates the parts of its own comments by tabs
    if len(trusted_comment) > _MAX_COMMENT or not trusted_comment.replace("\t", " ").isprintable():
        raise SignatureError(
            f"The comment of a signature is one line of at most {_MAX_COMMENT} printable characters.",
            hint="Shorten the comment.",
        )
    signature = key.sign(digest)
    parsed = _Signature(key.key_id, signature, trusted_comment, b"")
    line = encode_base64(_PREHASHED + key.key_id + signature, padding=True)
    global_line = encode_base64(key.sign(parsed.globally_signed), padding=True)
    comment = f"{UNTRUSTED}signature by key {key.public_key.id}"
    return f"{comment}\n{line}\n{_TRUSTED}{trusted_comment}\n{global_line}\n"


def _malformed(reason: str, hint: str = _DAMAGED_HINT) -> MalformedSignatureError:
    return MalformedSignatureError(f"The signature is malformed: {reason}.", hint=hint)


def _parse(content: str | bytes) -> _Signature:
    try:
        text = content if isinstance(content, str) else content.decode()
        lines = split_lines(text) if len(text.encode()) <= _MAX_BYTES else []
    except UnicodeError:
        raise _malformed("it is not text in UTF-8") from None
    if len(lines) != 4 or not lines[0].startswith(UNTRUSTED) or not lines[2].startswith(_TRUSTED):
        raise _malformed("it is not the four lines of minisign")
    try:
        data = decode_exactly(lines[1], len(_PREHASHED) + KEY_ID_BYTES + _SIGNATURE_BYTES)
        global_signature = decode_exactly(lines[3], _SIGNATURE_BYTES)
    except ValueError:
        raise _malformed("its base64 is not that of a signature") from None
    if data.startswith(ALGORITHM):
        raise _malformed("it is of the legacy kind, not prehashed", "Sign the file again with 'minisign -S -H'.")
    if not data.startswith(_PREHASHED):
        raise _malformed("its algorithm is unknown")
    start = len(_PREHASHED) + KEY_ID_BYTES
    return _Signature(data[len(_PREHASHED) : start], data[start:], lines[2].removeprefix(_TRUSTED), global_signature)


def verify_digest(digest: bytes, signature_text: str | bytes, public_keys: Iterable[PublicKey]) -> VerifiedBy:
    """Verify the signature of a file with the `digest` of `new_digest`.

    Raises MalformedSignatureError, UnknownSignerError (its key is not in `public_keys`) or BadSignatureError.
    """
    signature = _parse(signature_text)
    # a key id is eight bytes that anyone may choose, so that two keys may have the same
    candidates = [key for key in public_keys if key.key_id == signature.key_id]
    if not candidates:
        key_id = display_key_id(signature.key_id)
        raise UnknownSignerError(
            f"The file is signed with the key {key_id}, which is not trusted here.",
            key_id=key_id,
            hint="Add its public key to the trusted ones if you know where the file comes from.",
        )
    for key in candidates:
        # the second signature covers the first one and the trusted comment
        if key.verifies(signature.signature, digest) and key.verifies(
            signature.global_signature, signature.globally_signed
        ):
            return VerifiedBy(key, signature.trusted_comment)
    raise BadSignatureError(
        f"The signature with the trusted key {candidates[0].id} does not fit the file: one of them was changed.",
        hint="Do not use this file. Fetch it and its signature again, or use another backup.",
    )
