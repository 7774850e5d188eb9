"""What every kind of encryption can do: encrypt a stream, recognise what it encrypted, open it again."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import AbstractContextManager
from enum import StrEnum
from typing import Any, BinaryIO, ClassVar, Self

from backups.archive.errors import ArchiveError
from backups.archive.tar.write import Sealer
from destinations.lib.streams import FlushingSink, Source

# Longer than the beginning of an archive that any kind needs to tell whether it can be opened.
HEAD_BYTES = 1 << 20


class Verdict(StrEnum):
    """Whether the keys at hand open an archive."""

    OPENS = "opens"
    LOST = "no key opens it"
    ELSEWHERE = "its key is kept elsewhere"
    UNTOLD = "cannot be told from its beginning"


class EncryptionError(ArchiveError):
    """The keys at hand do not open an archive, or what encrypts or decrypts it does not work."""


class Encryption(ABC):
    """One kind of encryption with the keys of this site. Every method raises EncryptionError or AgeError.

    Streams pass at constant memory, and nothing of a plaintext is whole before a read of it has returned nothing.
    """

    name: ClassVar[str]
    # for the record and the manifest
    algorithm: ClassVar[str]
    # what is written by somebody else's program is read back before it counts as a backup
    to_be_proven: ClassVar[bool] = False

    @classmethod
    @abstractmethod
    def configured(cls, settings: Any, passphrases: Sequence[str] = ()) -> Self:
        """Return this kind with the keys that the attributes of `settings` name.

        `passphrases` are those of the instance: the first one is written with where `settings` name no key.
        """

    @property
    @abstractmethod
    def extension(self) -> str:
        """What is put behind the name of an archive, such as ``.age``."""

    @property
    @abstractmethod
    def recipients(self) -> tuple[str, ...]:
        """Names of the keys that will open what is written; none of them is secret."""

    @abstractmethod
    def can_encrypt(self) -> bool:
        """True when a key to encrypt with is configured."""

    @abstractmethod
    def can_read_back(self) -> bool:
        """True when the keys at hand open what is written."""

    @abstractmethod
    def metadata(self) -> dict[str, object]:
        """Return what the manifest says of the keys; nothing secret."""

    @abstractmethod
    def check(self) -> None:
        """Raise an error when what is configured for encrypting cannot work."""

    @abstractmethod
    def writer(self, target: FlushingSink) -> Sealer:
        """Return a writer that encrypts into `target`, which stays open."""

    @abstractmethod
    def recognises(self, head: bytes, filename: str) -> bool:
        """True for a file of that name that begins with `head` when it is to be opened with this kind."""

    @abstractmethod
    def reader(self, source: BinaryIO) -> AbstractContextManager[Source]:
        """Open the plaintext of `source`, an unbuffered file that stands at its beginning."""

    @abstractmethod
    def look(self, head: bytes, *, whole: bool) -> Verdict:
        """Tell whether the keys at hand open a file of which `head` are the first HEAD_BYTES, or the `whole`."""
