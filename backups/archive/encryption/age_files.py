"""Encryption in the age format, to recipients or with a passphrase (the default kind)."""

import io
import re
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, Self

from backups.archive import age
from backups.archive.encryption.base import Encryption, EncryptionError, KeyMatch
from backups.archive.tar.write import EncryptingSink
from destinations.lib.streams import FlushingSink, Source

_MAGICS = (b"age-encryption.org/", b"-----BEGIN AGE ENCRYPTED FILE-----")
# recorded in place of recipients where a passphrase opens the archive
NO_RECIPIENT = "passphrase"
IDENTITY_HINT = (
    "Bring the identity to this host and name its file in BACKUP_ENCRYPTION_IDENTITY_FILE for as long as it takes, or "
    "restore on the host that has it."
)
# joiners, fillers and variation selectors that Unicode does not count as format characters
_FILLERS = re.compile(
    r"[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
NO_KEY_HINT = (
    "Set BACKUP_ENCRYPTION_IDENTITY_FILE, BACKUP_ENCRYPTION_PASSPHRASE or BACKUP_ENCRYPTION_OLD_PASSPHRASES to the key "
    "that was in use when the archive was made."
)


class Age(Encryption):
    """Encrypts to `recipients`, without any with `passphrase` (the format allows one of the two); decrypts with any key
    of `identity_files` and `passphrases`.
    """

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
        return (NO_RECIPIENT,) if self._passphrase else ()

    def can_encrypt(self) -> bool:
        return bool(self._recipients or self._passphrase)

    def can_read_back(self) -> bool:
        if not self._recipients:
            return bool(self._passphrase)
        # what was encrypted here has to be decrypted here, which a recipient alone does not allow
        identities, _ = self._identities()
        for identity in identities:
            # a post-quantum identity has no recipient that is encrypted to here
            with suppress(age.AgeKeyError):
                if age.recipient_of(identity) in self._recipients:
                    return True
        return False

    def missing_key(self, recipients: Sequence[str]) -> EncryptionError | None:
        if list(recipients) == [NO_RECIPIENT]:
            message = "The archive is encrypted with a passphrase, and none is configured on this host."
            return None if self._passphrases else EncryptionError(message, hint=NO_KEY_HINT)
        identities, problem = self._identities()
        for identity in identities:
            try:
                fitting = age.fingerprint(age.recipient_of(identity)) in recipients
            except age.AgeKeyError:
                # a post-quantum identity has no recipient that can be named here
                fitting = True
            if fitting:
                return None
        # an adopted archive names no keys
        if not recipients and (identities or self._passphrases):
            return None
        names = f", which opens with: {', '.join(recipients)}" if recipients else ""
        having = "No identity of this host opens" if identities else "No identity is configured on this host for"
        return EncryptionError(" ".join(filter(None, [f"{having} the archive{names}.", problem])), hint=IDENTITY_HINT)

    def metadata(self) -> dict[str, object]:
        return {"recipients": list(self.recipients)}

    def check(self) -> None:
        for recipient in self._recipients:
            age.fingerprint(recipient)
        if not self._recipients:
            require_typeable(self._passphrase)

    def writer(self, target: FlushingSink) -> EncryptingSink:
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
        except age.AgeKeyError as error:
            raise EncryptionError(error.message, hint=error.hint) from error
        yield plain

    def match_keys(self, head: bytes, *, whole: bool) -> KeyMatch:
        identities, _ = self._identities()
        try:
            age.open_header(io.BytesIO(head), identities=identities, passphrases=self._passphrases)
        except age.AgeNoMatchError:
            # an identity may be kept elsewhere on purpose; a passphrase that encrypts here is configured here
            by_passphrase = "scrypt" in age.inspect_header(io.BytesIO(head)).stanza_types
            return KeyMatch.LOST if by_passphrase or self._identity_files else KeyMatch.ELSEWHERE
        return KeyMatch.OPENS

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
    """Raise EncryptionError for a passphrase that cannot be typed at the prompt of the age program, as it is seen."""
    if any(unicodedata.category(character) == "Cc" for character in passphrase):
        raise EncryptionError(
            "The encryption passphrase holds a line break or another control character, which cannot be typed.",
            hint="Use one line of text, so that it can be typed at the prompt of the age program.",
        )
    if unseen := next((character for character in passphrase if _is_unseen(character)), None):
        raise EncryptionError(
            "The encryption passphrase holds a character that cannot be seen or is not what it looks like, "
            f"U+{ord(unseen):04X}.",
            hint="Type it anew, and move the present one to BACKUP_ENCRYPTION_OLD_PASSPHRASES: it opens what it made.",
        )


def _is_unseen(character: str) -> bool:
    """Return whether `character` shows nothing, or shows as a space without being one."""
    return character != " " and (
        unicodedata.category(character) in ("Cf", "Zs", "Zl", "Zp") or _FILLERS.fullmatch(character) is not None
    )


def read_identities(path: Path) -> tuple[str, ...]:
    """Return the identities in the file `path`; raises EncryptionError that names the file and quotes nothing of it."""
    try:
        content = path.read_bytes()
        if content.lstrip().startswith(_MAGICS):
            raise EncryptionError(
                f"The identity file {path} is itself encrypted.",
                hint="Decrypt it to another file (age --decrypt --output FILE), mode 0600, and name that one.",
            )
        return age.parse_identity_file(content.decode("utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        raise EncryptionError(
            f"The identity file {path} cannot be read: {reason}.", hint="Put it back, or correct its permissions."
        ) from None
    except age.AgeKeyError as error:
        raise EncryptionError(f"The identity file {path} cannot be used: {error.message}", hint=error.hint) from None
