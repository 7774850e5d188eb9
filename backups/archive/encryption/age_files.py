"""The age format: to recipients, or with a passphrase. The default."""

import io
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Self

from backups.archive import age
from backups.archive.encryption.base import Encryption, EncryptionError, Verdict
from backups.archive.tar.write import Sealer
from destinations.lib.streams import FlushingSink, Source

_MAGICS = (b"age-encryption.org/", b"-----BEGIN AGE ENCRYPTED FILE-----")
NO_KEY_HINT = (
    "Set BACKUP_ENCRYPTION_IDENTITY_FILE, BACKUP_ENCRYPTION_PASSPHRASE or BACKUP_ENCRYPTION_OLD_PASSPHRASES to the key "
    "that was in use when the archive was made."
)


class Age(Encryption):
    """`recipients` win over `passphrase` for writing, because the format takes either; reading tries every key."""

    name = "age"
    algorithm = "age-v1"
    extension = ".age"

    def __init__(
        self,
        *,
        recipients: Sequence[str] = (),
        passphrase: str = "",
        identity_files: Sequence[str | Path] = (),
        passphrases: Sequence[str] = (),
    ) -> None:
        self._recipients = tuple(dict.fromkeys(recipients))
        self._passphrase = passphrase
        self._identity_files = [Path(path) for path in identity_files]
        self._passphrases = tuple(dict.fromkeys(text for text in (passphrase, *passphrases) if text))

    @classmethod
    def configured(cls, settings: Any, passphrases: Sequence[str] = ()) -> Self:
        keys = (settings.BACKUP_ENCRYPTION_PASSPHRASE, *passphrases)
        return cls(
            recipients=settings.BACKUP_ENCRYPTION_RECIPIENTS,
            passphrase=next((text for text in keys if text), ""),
            identity_files=settings.BACKUP_ENCRYPTION_IDENTITY_FILE,
            passphrases=[*settings.BACKUP_ENCRYPTION_OLD_PASSPHRASES, *passphrases],
        )

    @property
    def recipients(self) -> tuple[str, ...]:
        if self._recipients:
            return tuple(age.fingerprint(recipient) for recipient in self._recipients)
        return ("passphrase",) if self._passphrase else ()

    def can_encrypt(self) -> bool:
        return bool(self._recipients or self._passphrase)

    def can_read_back(self) -> bool:
        if not self._recipients:
            return bool(self._passphrase)
        identities, _ = self._identities()
        return any(_recipient_of(identity) in self._recipients for identity in identities)

    def metadata(self) -> dict[str, object]:
        return {"recipients": list(self.recipients)}

    def check(self) -> None:
        for recipient in self._recipients:
            age.fingerprint(recipient)
        if not self._recipients:
            require_typeable(self._passphrase)

    def writer(self, target: FlushingSink) -> Sealer:
        if self._recipients:
            return age.EncryptingWriter(target, recipients=self._recipients)
        return age.EncryptingWriter(target, passphrase=self._passphrase)

    def recognises(self, head: bytes, filename: str) -> bool:
        return head.lstrip().startswith(_MAGICS)

    @contextmanager
    def reader(self, source: BinaryIO) -> Iterator[Source]:
        identities, problem = self._identities()
        try:
            plain = age.DecryptingReader(source, identities=identities, passphrases=self._passphrases)
        except age.AgeNoMatchError as error:
            message = " ".join(text for text in (error.message, problem) if text)
            raise EncryptionError(message, hint=NO_KEY_HINT) from error
        yield plain

    def look(self, head: bytes, *, whole: bool) -> Verdict:
        identities, _ = self._identities()
        try:
            age.open_header(io.BytesIO(head), identities=identities, passphrases=self._passphrases)
        except age.AgeNoMatchError:
            by_passphrase = "scrypt" in age.inspect_header(io.BytesIO(head)).stanza_types
            return Verdict.LOST if by_passphrase or self._identity_files else Verdict.ELSEWHERE
        return Verdict.OPENS

    def _identities(self) -> tuple[list[str], str]:
        """Return the identities that can be read, and what is wrong with the first file that cannot."""
        identities: list[str] = []
        problems: list[str] = []
        for path in self._identity_files:
            try:
                identities += read_identities(path)
            except EncryptionError as error:
                problems.append(error.message)
        return identities, "".join(problems[:1])


def require_typeable(passphrase: str) -> None:
    """Raise EncryptionError for a passphrase that nobody can enter where the age program asks for it."""
    if any(unicodedata.category(character) == "Cc" for character in passphrase):
        raise EncryptionError(
            "The encryption passphrase holds a line break or another control character, which cannot be typed.",
            hint="Take one line of text: without this site the age program asks for it at the keyboard.",
        )


def read_identities(path: Path) -> tuple[str, ...]:
    """Return the identities in the file `path`; raises EncryptionError that names it and nothing of its content."""
    try:
        content = path.read_bytes()
        if content.lstrip().startswith(_MAGICS):
            raise EncryptionError(
                f"The identity file {path} is itself encrypted.",
                hint="Decrypt it to another file (age --decrypt --output FILE), mode 0600, and name that one.",
            )
        return age.parse_identity_file(content.decode("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        raise EncryptionError(
            f"The identity file {path} cannot be read: {reason}.", hint="Bring it back, or correct its permissions."
        ) from None
    except age.AgeKeyError as error:
        raise EncryptionError(f"The identity file {path} cannot be used: {error.message}", hint=error.hint) from None


def _recipient_of(identity: str) -> str:
    try:
        return age.recipient_of(identity)
    except age.AgeKeyError:  # a post-quantum identity opens archives, and nothing is encrypted to it here
        return ""
