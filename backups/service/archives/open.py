"""Opening an archive file: decrypting it, by whatever it is encrypted with, to the compressed tar inside."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from django.conf import settings

from backups.archive import tcbk as legacy
from backups.archive.age import AgeError
from backups.archive.encryption import KINDS, Encryption, EncryptionError
from backups.archive.errors import ArchiveError, NotPossibleHere
from backups.service.archives.names import LEGACY
from backups.service.archives.passphrases import passphrases_for
from destinations.lib.streams import Source

NO_KEY_HINT = (
    "Set BACKUP_ENCRYPTION_PASSPHRASE or BACKUP_ENCRYPTION_OLD_PASSPHRASES to what the TACACS+ server had when it made "
    "this archive."
)
_HEADER_BYTES = 64


@contextmanager
def open_archive(path: Path, directory: Path) -> Iterator[Source]:
    """Yield the compressed tar in the archive file `path`; `directory` takes what has to be decrypted first.

    Raises ArchiveError that names the file when it cannot be read, or when a read of the stream meets something that
    was not encrypted like this; EncryptionError when no configured key opens it.
    """
    if path.is_fifo():
        # the file is read more than once
        raise ArchiveError(f"{path} is a pipe, not a file.", hint="Write the archive to a file, and give its path.")
    try:
        source = path.open("rb", buffering=0)
    except OSError as error:
        raise ArchiveError(
            f"{path} cannot be read: {error.strerror}.", hint="Check the path and the permissions."
        ) from error
    with source:
        head = source.read(_HEADER_BYTES)
        source.seek(0)
        if legacy.is_tcbk(head):
            with _legacy(source, path, directory) as plain:
                yield plain
        elif (encryption := recognised_encryption(head, path.name)) is not None:
            with _named(path, AgeError, EncryptionError), encryption.reader(source) as plain:
                yield plain
        else:
            yield source


def encryption_of(head: bytes, filename: str) -> str:
    """Return the name of what a file of that name, which begins with `head`, is encrypted with; "" for nothing."""
    if legacy.is_tcbk(head):
        return LEGACY
    encryption = recognised_encryption(head, filename)
    return "" if encryption is None else encryption.name


def recognised_encryption(head: bytes, filename: str) -> Encryption | None:
    """Return the kind of encryption, with every key at hand, of a file of that name that begins with `head`."""
    for kind in KINDS.values():
        if kind.configured(settings).recognises(head, filename):
            return kind.configured(settings, passphrases_for(filename))
    return None


@contextmanager
def _named(path: Path, *errors: type[ArchiveError]) -> Iterator[None]:
    """Add the name of the file to an error of its format."""
    try:
        yield
    except errors as error:
        # a missing key says nothing about the archive, unlike damage
        kind = next(kind for kind in (EncryptionError, NotPossibleHere, ArchiveError) if isinstance(error, kind))
        raise kind(f"{path.name} cannot be opened: {error.message}", hint=error.hint) from error


@contextmanager
def _legacy(source: BinaryIO, path: Path, directory: Path) -> Iterator[Source]:
    """Decrypt the TACACS+ server's own container into an unlinked file in `directory`."""
    passphrases = legacy_passphrases(path.name)
    if not passphrases:
        raise EncryptionError(f"{path.name} is encrypted and no passphrase is configured.", hint=NO_KEY_HINT)
    scratch = directory / f".{path.name}.plain"
    with scratch.open("x+b") as plain:
        scratch.unlink()
        with _named(path, ArchiveError):
            # nothing is written before the whole container is authenticated with one of the passphrases
            *others, last = passphrases
            for passphrase in others:
                try:
                    legacy.decrypt(source, plain, passphrase)
                    break
                except ArchiveError:
                    source.seek(0)
            else:
                try:
                    legacy.decrypt(source, plain, last)
                except legacy.WrongPassphrase as error:
                    raise EncryptionError(error.message, hint=error.hint) from error
        plain.seek(0)
        yield plain


def legacy_passphrases(filename: str) -> list[str]:
    site = (settings.BACKUP_ENCRYPTION_PASSPHRASE, *settings.BACKUP_ENCRYPTION_OLD_PASSPHRASES)
    return [text for text in dict.fromkeys((*site, *passphrases_for(filename))) if text]
