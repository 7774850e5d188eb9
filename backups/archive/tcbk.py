"""Decryption of TCBK, the encrypted container of the TACACS+ server's own archives.

4 bytes "TCBK", 1 byte version, 16 bytes salt, then one Fernet token (https://github.com/fernet/spec): the URL-safe
base64 of 0x80, 8 bytes time, 16 bytes IV, AES-128-CBC ciphertext, 32 bytes HMAC-SHA256 of all before. PBKDF2 derives
both keys from the passphrase.
"""

import binascii
import hashlib
import hmac
import re
from collections.abc import Iterator
from typing import BinaryIO

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

from backups.archive.errors import ArchiveError, NotPossibleHere

MAGIC = b"TCBK"
_VERSION = 1
_SALT_BYTES = 16
_PBKDF2_ROUNDS = 100_000
_TOKEN_VERSION = 0x80
_TOKEN_HEAD_BYTES = 1 + 8 + 16
_MAC_BYTES = 32
_BLOCK_BYTES = 16
# a multiple of four: base64 is decoded in whole groups
_READ_CHARACTERS = 256 * 1024
_BASE64 = re.compile(rb"[A-Za-z0-9_-]*={0,2}")
_FROM_URL_SAFE = bytes.maketrans(b"-_", b"+/")
_DAMAGED_HINT = "The file was truncated or altered. Fetch it again or use another backup."


class WrongPassphrase(NotPossibleHere):
    """The passphrase is wrong, or the file was altered: the format cannot say which."""


def is_tcbk(head: bytes) -> bool:
    """True when a file whose first 4 bytes or more are `head` is a TCBK container."""
    return head.startswith(MAGIC)


def decrypt(source: BinaryIO, target: BinaryIO, passphrase: str) -> None:
    """Write the archive in `source` to `target`, in two passes at constant memory.

    `source` is seekable and at the start of the container. Nothing is written before all of it is authenticated.
    Raises WrongPassphrase, and ArchiveError for a damaged container.
    """
    head = _read_fully(source, len(MAGIC) + 1 + _SALT_BYTES)
    if not is_tcbk(head) or len(head) < len(MAGIC) + 1 + _SALT_BYTES:
        raise ArchiveError("This is not a complete encrypted archive of the TACACS+ server.", hint=_DAMAGED_HINT)
    version = head[len(MAGIC)]
    if version != _VERSION:
        raise NotPossibleHere(
            f"The encrypted archive has container version {version}; only version {_VERSION} can be read.",
            hint="Open it with the TACACS+ server that wrote it.",
        )
    salt = head[-_SALT_BYTES:]
    token_start = source.tell()
    keys = hashlib.pbkdf2_hmac("sha256", passphrase.encode("utf-8", "surrogateescape"), salt, _PBKDF2_ROUNDS, 32)
    initialization_vector = _authenticate(_Token(source), keys[:16])
    source.seek(token_start)
    # Fernet fixes AES-128-CBC, which has no integrity of its own: the MAC was checked above
    decryptor = Cipher(algorithms.AES(keys[16:]), modes.CBC(initialization_vector)).decryptor()
    unpadder = PKCS7(8 * _BLOCK_BYTES).unpadder()
    skip = _TOKEN_HEAD_BYTES
    try:
        for piece in _Token(source):
            target.write(unpadder.update(decryptor.update(piece[skip:])))
            skip = max(0, skip - len(piece))
        target.write(unpadder.update(decryptor.finalize()) + unpadder.finalize())
    except ValueError as error:
        raise _damaged() from error


class _Token:
    """Iterates over the decoded token without its MAC, which is in `mac` after the last piece."""

    def __init__(self, source: BinaryIO) -> None:
        self._source = source
        self.mac = b""

    def __iter__(self) -> Iterator[bytes]:
        while characters := _read_fully(self._source, _READ_CHARACTERS):
            if len(characters) % 4 or _BASE64.fullmatch(characters) is None:
                raise _damaged()
            decoded = binascii.a2b_base64(characters.translate(_FROM_URL_SAFE))
            # the last bytes may be the MAC, which is only certain at the end
            pending = self.mac + decoded
            self.mac = pending[-_MAC_BYTES:]
            yield pending[:-_MAC_BYTES]


def _authenticate(token: _Token, key: bytes) -> bytes:
    """Check structure and MAC of the token; return its initialization vector."""
    mac = hmac.new(key, digestmod=hashlib.sha256)
    head = b""
    size = 0
    for piece in token:
        mac.update(piece)
        head += piece[: _TOKEN_HEAD_BYTES - len(head)]
        size += len(piece)
    ciphertext_size = size - _TOKEN_HEAD_BYTES
    # before the MAC, which would call a file that was cut a wrong passphrase
    if ciphertext_size <= 0 or ciphertext_size % _BLOCK_BYTES or head[0] != _TOKEN_VERSION:
        raise _damaged()
    if not hmac.compare_digest(mac.digest(), token.mac):
        raise WrongPassphrase(
            "The encrypted archive cannot be opened: the passphrase is wrong, or the file was altered.",
            hint="Use the passphrase that the TACACS+ server had when it made this backup.",
        )
    return head[9:]


def _damaged() -> ArchiveError:
    return ArchiveError("The encrypted archive is damaged: its token cannot be read.", hint=_DAMAGED_HINT)


def _read_fully(source: BinaryIO, size: int) -> bytes:
    """Read `size` bytes, fewer only at the end of the file."""
    data = b""
    while len(data) < size and (more := source.read(size - len(data))):
        data += more
    return data
