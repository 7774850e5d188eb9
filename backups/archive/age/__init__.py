"""Encryption and decryption in the age v1 file format (age-encryption.org/v1, C2SP age.md), at constant memory.

Files are written for X25519 recipients or an scrypt passphrase, which every age program reads. Armoured files and files
for a post-quantum MLKEM768-X25519 identity are read too. Every error is an `AgeError`.
"""

from backups.archive.age.errors import (
    AgeArmorError,
    AgeError,
    AgeHeaderError,
    AgeHeaderMacError,
    AgeKeyError,
    AgeMemoryError,
    AgeNoMatchError,
    AgePayloadError,
)
from backups.archive.age.identities import (
    fingerprint,
    format_identity_file,
    generate_identity,
    parse_identity_file,
    recipient_of,
)
from backups.archive.age.payload import encrypted_size
from backups.archive.age.reader import DecryptingReader, HeaderInfo, inspect_header, open_header
from backups.archive.age.writer import EncryptingWriter

__all__ = [
    "AgeArmorError",
    "AgeError",
    "AgeHeaderError",
    "AgeHeaderMacError",
    "AgeKeyError",
    "AgeMemoryError",
    "AgeNoMatchError",
    "AgePayloadError",
    "DecryptingReader",
    "EncryptingWriter",
    "HeaderInfo",
    "encrypted_size",
    "fingerprint",
    "format_identity_file",
    "generate_identity",
    "inspect_header",
    "open_header",
    "parse_identity_file",
    "recipient_of",
]
