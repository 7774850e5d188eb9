"""The age v1 file format (age-encryption.org/v1, C2SP age.md), streaming both ways at constant memory.

What is written opens with any age program: X25519 recipients or an scrypt passphrase. What is read may also be
armoured, or encrypted to a post-quantum MLKEM768-X25519 identity. Every refusal is an `AgeError`.
"""

from collections.abc import Sequence

from backups.archive._age.errors import (
    AgeArmorError,
    AgeError,
    AgeHeaderError,
    AgeHeaderMacError,
    AgeKeyError,
    AgeNoMatchError,
    AgePayloadError,
)
from backups.archive._age.files import WriteBehind
from backups.archive._age.keys import (
    fingerprint,
    format_identity_file,
    generate_identity,
    parse_identity_file,
    recipient_of,
)
from backups.archive._age.payload import encrypted_size
from backups.archive._age.reader import DecryptingReader, HeaderInfo, inspect_header, open_header
from backups.archive._age.writer import EncryptingWriter
from destinations.streams import Sink, Source

__all__ = [
    "AgeArmorError",
    "AgeError",
    "AgeHeaderError",
    "AgeHeaderMacError",
    "AgeKeyError",
    "AgeNoMatchError",
    "AgePayloadError",
    "DecryptingReader",
    "EncryptingWriter",
    "HeaderInfo",
    "decrypt",
    "encrypt",
    "encrypted_size",
    "fingerprint",
    "format_identity_file",
    "generate_identity",
    "inspect_header",
    "open_header",
    "parse_identity_file",
    "recipient_of",
]


def encrypt(source: Source, target: Sink, *, recipients: Sequence[str] = (), passphrase: str | None = None) -> None:
    """Write `source` to `target` as an age file for `recipients` (`age1...`) or `passphrase`; both stay open.

    A passphrase takes 256 MiB for about a second. Raises AgeKeyError before anything is written.
    """
    with (
        WriteBehind(target) as behind,
        EncryptingWriter(behind, recipients=recipients, passphrase=passphrase) as writer,
    ):
        writer.copy_from(source)


def decrypt(source: Source, target: Sink, *, identities: Sequence[str] = (), passphrases: Sequence[str] = ()) -> None:
    """Write the plaintext of the age file `source` to `target`; both stay open.

    `identities` (`AGE-SECRET-KEY-1...`) and `passphrases` are tried in turn. Nothing is written before its tag was
    checked; after an error `target` may hold the authentic beginning of the file, which the caller throws away.
    Raises AgeError: see `DecryptingReader`.
    """
    reader = DecryptingReader(source, identities=identities, passphrases=passphrases)
    with WriteBehind(target) as behind:
        reader.copy_to(behind)
