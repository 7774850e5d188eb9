"""The interface of a kind of encryption: encrypt a stream, recognise an encrypted file, decrypt it."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import AbstractContextManager
from enum import StrEnum
from typing import Any, BinaryIO, ClassVar, Self

from backups.archive.errors import NotPossibleHere
from backups.archive.tar.write import EncryptingSink
from destinations.lib.streams import FlushingSink, Source

# as much of the beginning of an archive as any kind needs to test the keys
HEAD_BYTES = 1 << 20


class KeyMatch(StrEnum):
    """Whether the configured keys open an archive."""

    OPENS = "opens"
    LOST = "no key opens it"
    ELSEWHERE = "its key is kept elsewhere"
    UNDETERMINED = "cannot be told from its beginning"


class EncryptionError(NotPossibleHere):
    """The configured keys do not open an archive, or encryption or decryption failed.

    Damage that a key has shown is an AgeError instead.
    """


class Encryption(ABC):
    """One kind of encryption with the keys of this site. Every method raises EncryptionError or AgeError.

    Memory is constant. A plaintext is complete and authentic only when a read of it has returned nothing.
    """

    name: ClassVar[str]
    # recorded in the backup's row and in the manifest
    algorithm: ClassVar[str]
    # the archive is decrypted and verified before the backup completes: an operator's program may write anything
    needs_read_back: ClassVar[bool] = False

    @classmethod
    @abstractmethod
    def configured(cls, settings: Any, passphrases: Sequence[str] = ()) -> Self:
        """Return this kind with the keys in `settings`.

        `passphrases` are those of the instance; the first one encrypts when `settings` have no key.
        """

    @property
    @abstractmethod
    def extension(self) -> str:
        """The extension of an encrypted archive, such as ``.age``."""

    @property
    @abstractmethod
    def recipients(self) -> tuple[str, ...]:
        """Public names of the keys that open what is written."""

    @abstractmethod
    def can_encrypt(self) -> bool:
        """True when a key to encrypt with is configured."""

    @abstractmethod
    def can_read_back(self) -> bool:
        """True when the configured keys open what is written."""

    def missing_key(self, recipients: Sequence[str]) -> EncryptionError | None:
        """Return why no configured key opens an archive for `recipients`, the public names of its keys.

        None where one does, or where that cannot be told from the names.
        """
        return None

    @abstractmethod
    def metadata(self) -> dict[str, object]:
        """Return the public description of the keys for the manifest."""

    @abstractmethod
    def check(self) -> None:
        """Raise an error when the configuration for encryption cannot work."""

    @abstractmethod
    def writer(self, target: FlushingSink) -> EncryptingSink:
        """Return a writer that encrypts into `target`, which stays open."""

    @abstractmethod
    def recognises(self, head: bytes, filename: str) -> bool:
        """True when a file with the name `filename` and the beginning `head` is encrypted with this kind."""

    @abstractmethod
    def reader(self, source: BinaryIO) -> AbstractContextManager[Source]:
        """Open the plaintext of `source`, an unbuffered file at its beginning."""

    @abstractmethod
    def match_keys(self, head: bytes, *, whole: bool) -> KeyMatch:
        """Return whether the configured keys open a file; `head` is its first HEAD_BYTES, or the `whole` file."""
