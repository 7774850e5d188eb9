"""Whether the keys of this host open the archive of a backup, known before it is fetched."""

from pathlib import PurePosixPath

from django.conf import settings

from backups.archive.encryption import HEAD_BYTES, KINDS, EncryptionError, KeyMatch
from backups.archive.encryption.age_files import NO_KEY_HINT, NO_RECIPIENT
from backups.archive.encryption.program import Program
from backups.archive.errors import ArchiveError
from backups.models import BackupCopy, BackupExecution
from backups.service.archives import open as opening
from backups.service.archives.names import LEGACY
from backups.service.archives.passphrases import passphrases_for
from backups.service.archives.records.copies import readable_copies
from destinations.exceptions import DestinationError


def require_key(backup: BackupExecution) -> None:
    """Raise EncryptionError where it is certain that no key of this host opens any copy of `backup`."""
    if (problem := no_key_for(backup)) is not None:
        raise EncryptionError(f"{backup} cannot be opened on this host: {problem.message}", hint=problem.hint)


def no_key_for(backup: BackupExecution, *, look: bool = False) -> EncryptionError | None:
    """Return why no key of this host opens any readable copy of `backup`; None where one does, or may.

    `look` as in `no_key_for_copy`.
    """
    first: EncryptionError | None = None
    for copy in readable_copies(backup):
        problem = no_key_for_copy(copy, look=look)
        if problem is None:
            return None
        first = first or problem
    return first


def may_open(copy: BackupCopy) -> bool:
    """True unless it is certain that no key of this host opens `copy`."""
    return no_key_for_copy(copy) is None


def no_key_for_copy(copy: BackupCopy, *, look: bool = False) -> EncryptionError | None:
    """Return why no key of this host opens `copy`, and what to do; None where one does, or may.

    The record says for which keys it is. Where it names none, as for a passphrase, and with `look`, the keys are tried
    on the beginning of the archive; a destination that does not answer leaves the question open.
    """
    name = PurePosixPath(copy.path).name
    if copy.encryption == LEGACY:
        if opening.legacy_passphrases(name):
            return None
        return EncryptionError(
            "The archive is encrypted by the TACACS+ server, and no passphrase is configured on this host.",
            hint=opening.NO_KEY_HINT,
        )
    if (kind := KINDS.get(copy.encryption)) is None:
        return None
    encryption = kind.configured(settings, passphrases_for(name))
    problem = encryption.missing_key(copy.recipients)
    names_keys = copy.recipients not in ([], [NO_RECIPIENT])
    # a program may take minutes, and a page has to be answered
    if problem is None and look and not names_keys and kind is not Program:
        try:
            with copy.destination.open() as destination:
                head = destination.head(copy.path, HEAD_BYTES)
            match = encryption.match_keys(head, whole=len(head) < HEAD_BYTES)
        except (DestinationError, ArchiveError):
            return None
        if match in (KeyMatch.LOST, KeyMatch.ELSEWHERE):
            problem = EncryptionError("No key of this host opens the archive.", hint=NO_KEY_HINT)
    return problem
