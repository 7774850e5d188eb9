"""The scrypt recipient type: wrapping the file key with a passphrase."""

import os
import re
from functools import lru_cache

from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from backups.archive.age.errors import AgeHeaderError, AgeKeyError, AgeMemoryError
from backups.archive.age.header import Header, Stanza
from backups.archive.age.wrapping import binary_argument, check_shape, malformed_stanza, open_file_key, seal_file_key
from backups.archive.base64 import encode_base64

STANZA_TYPE = "scrypt"
# Base-two logarithms of the cost. scrypt needs 2 ** factor KiB: 256 MiB and about a second at 18, 1 GiB at 20.
WORK_FACTOR = 18
MAX_WORK_FACTOR = 20
_SALT_BYTES = 16
_SALT_LABEL = b"age-encryption.org/v1/scrypt"
_DECIMAL = re.compile(r"[1-9][0-9]*")


# An archive is opened several times, to read its manifest and to unpack it: the cache saves a second each time.
@lru_cache(maxsize=4)
def _derive(passphrase: bytes, salt: bytes, work_factor: int) -> bytes:
    scrypt = Scrypt(salt=_SALT_LABEL + salt, length=32, n=1 << work_factor, r=8, p=1)
    try:
        return scrypt.derive(passphrase)
    except MemoryError:
        raise AgeMemoryError(
            f"There is not enough memory to derive a key from the passphrase: it needs {1 << work_factor} KiB.",
            hint="Give the process more memory, or encrypt to recipients.",
        ) from None


def _encode(passphrase: str) -> bytes:
    if not isinstance(passphrase, str):
        raise AgeKeyError("The encryption passphrase is not text.", hint="Give it as text.")
    if not passphrase:
        raise AgeKeyError("The encryption passphrase is empty.", hint="Set a long passphrase, or use recipients.")
    try:
        # surrogateescape restores bytes of an environment variable that are not UTF-8
        return passphrase.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise AgeKeyError("The encryption passphrase is not text.", hint="Write it in UTF-8.") from None


def _parameters(stanza: Stanza) -> tuple[bytes, int]:
    check_shape(stanza, 2)
    salt, factor = binary_argument(stanza, 1, _SALT_BYTES), stanza.arguments[2]
    if not _DECIMAL.fullmatch(factor):
        raise malformed_stanza(stanza, "its work factor is not a decimal number")
    if len(factor) > 2 or int(factor) > MAX_WORK_FACTOR:
        raise AgeHeaderError(
            f"The age file asks for a scrypt work factor above {MAX_WORK_FACTOR}, the most that is accepted here.",
            hint="If you trust the file, open it with the age program.",
        )
    return salt, int(factor)


def check(stanza: Stanza) -> None:
    """Raise AgeHeaderError unless `stanza` is well formed with a work factor within the limit."""
    _parameters(stanza)


def check_alone(header: Header) -> None:
    """Raise AgeHeaderError when there is another recipient beside a passphrase."""
    if len(header.stanzas) > 1 and any(stanza.type == STANZA_TYPE for stanza in header.stanzas):
        raise AgeHeaderError(
            "The age file has another recipient beside its passphrase, which the format forbids.",
            hint="Do not trust this file: its author may not have had the passphrase.",
        )


def wrap(passphrase: str, file_key: bytes) -> Stanza:
    """Return the stanza for `passphrase`; needs 256 MiB for about a second. Raises AgeKeyError."""
    secret, salt = _encode(passphrase), os.urandom(_SALT_BYTES)
    body = seal_file_key(_derive(secret, salt, WORK_FACTOR), file_key)
    return Stanza((STANZA_TYPE, encode_base64(salt, padding=False), str(WORK_FACTOR)), body)


class PassphraseIdentity:
    """Unwraps scrypt stanzas with a passphrase."""

    stanza_type = STANZA_TYPE

    def __init__(self, passphrase: str) -> None:
        self._secret = _encode(passphrase)

    def unwrap(self, stanza: Stanza) -> bytes | None:
        salt, work_factor = _parameters(stanza)
        return open_file_key(_derive(self._secret, salt, work_factor), stanza.body)
