"""The payload of an age file: 64 KiB chunks, ChaCha20-Poly1305, STREAM construction (C2SP age.md, "Payload")."""

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from backups.archive.age.header import derive_key

CHUNK_BYTES = 64 * 1024
TAG_BYTES = 16
SEALED_CHUNK_BYTES = CHUNK_BYTES + TAG_BYTES
NONCE_BYTES = 16
# Chunks read, encrypted and written at once: enough to make system calls rare, few enough for the CPU cache.
BATCH_CHUNKS = 16


def encrypted_size(plain_size: int, header_size: int) -> int:
    """Return the size in bytes of an age file of `plain_size` bytes under a header of `header_size` bytes."""
    chunks = max(1, -(-plain_size // CHUNK_BYTES))
    return header_size + NONCE_BYTES + plain_size + chunks * TAG_BYTES


class ChunkCipher:
    """Encrypts or decrypts the chunks of one payload in order."""

    def __init__(self, file_key: bytes, nonce: bytes) -> None:
        self._aead = ChaCha20Poly1305(derive_key(file_key, salt=nonce, info=b"payload"))
        self.number = 0

    def _nonce(self, final: bool) -> bytes:
        return (self.number << 8 | final).to_bytes(12, "big")

    def seal(self, plain: memoryview, sealed: memoryview, *, final: bool) -> int:
        """Encrypt the next chunk to the start of `sealed`; return the size of the result in bytes."""
        size = len(plain) + TAG_BYTES
        self._aead.encrypt_into(self._nonce(final), plain, None, sealed[:size])
        self.number += 1
        return size

    def open(self, sealed: memoryview, plain: memoryview, *, final: bool) -> int | None:
        """Decrypt the next chunk to the start of `plain`; return the size of the result, None when its tag is wrong.

        The content of `plain` is undefined after a wrong tag.
        """
        size = len(sealed) - TAG_BYTES
        if size < 0:
            return None
        try:
            self._aead.decrypt_into(self._nonce(final), sealed, None, plain[:size])
        except InvalidTag:
            return None
        self.number += 1
        return size
