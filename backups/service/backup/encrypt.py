"""How the archive of a backup is encrypted: decided before anything is exported."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from django.conf import settings

from backups.archive.encryption import KINDS, Encryption
from backups.archive.errors import ArchiveError
from backups.archive.manifest.document import Manifest
from backups.archive.tar.read import verify_members
from backups.errors import BackupError
from backups.instances import Instance
from backups.instances.kinds.base import LiveConfiguration
from backups.models import BackupExecution
from backups.service.archives.passphrases import passphrase_of, wants_encryption
from destinations.policies.encryption_policy import Policy

KEY_HINT = "set BACKUP_ENCRYPTION_RECIPIENTS or BACKUP_ENCRYPTION_PASSPHRASE, see docs/encryption.md"


def encryption_for(execution: BackupExecution, instance: Instance, live: LiveConfiguration) -> Encryption | None:
    """Return what encrypts the archive of `execution`, None for an archive in plain. `live` is its configuration.

    Raises BackupError where encryption is wanted and there is no key for it, or the keys cannot be used.
    """
    destination = execution.destination
    if destination.policy == Policy.OFF:
        return None
    wanted = wants_encryption(instance, live)
    encryption = site_encryption([passphrase_of(instance, live)] if wanted else [])
    if encryption.can_encrypt():
        _require_usable(encryption, execution)
        return encryption
    if destination.policy == Policy.REQUIRED:
        raise BackupError(f"{destination.name} takes encrypted archives only, and no key is configured", hint=KEY_HINT)
    if wanted:
        raise BackupError(
            f"{instance.name} asks for encryption in its configuration, and there is no key",
            hint="set [backup] encryption_passphrase there, or a key of the site: docs/encryption.md",
        )
    return None


def site_encryption(passphrases: list[str]) -> Encryption:
    """Return the kind that BACKUP_ENCRYPTION names, with the keys of the site or else those `passphrases`."""
    try:
        kind = KINDS[settings.BACKUP_ENCRYPTION]
    except KeyError:
        raise BackupError(
            f"there is no encryption called {settings.BACKUP_ENCRYPTION!r}",
            hint=f"set BACKUP_ENCRYPTION to one of: {', '.join(KINDS)}",
        ) from None
    return kind.configured(settings, passphrases)


def sealed_manifest(manifest: Manifest, encryption: Encryption | None) -> Manifest:
    """Return `manifest` with what it says of the encryption."""
    if encryption is None:
        return manifest
    return replace(
        manifest,
        encrypted=True,
        encryption_algorithm=encryption.algorithm,
        encryption_metadata=encryption.metadata(),
    )


def prove_sealed(archive: Path, manifest: Manifest, encryption: Encryption, progress: Callable[[int], None]) -> None:
    """Open the `archive` that a program has just encrypted and compare every member with the manifest.

    Without anything to decrypt with, nobody can tell. Raises BackupError when it does not open.
    """
    if not (encryption.to_be_proven and encryption.can_read_back()):
        return
    try:
        with archive.open("rb", buffering=0) as source, encryption.reader(source) as plain:
            found = verify_members(plain, progress)
        if found.to_dict() != manifest.to_dict():
            raise ArchiveError("It is another archive than the one that was encrypted.")
    except ArchiveError as error:
        raise BackupError(
            f"the archive cannot be opened again after its encryption: {error.message}",
            hint="try both programs by hand; leave BACKUP_ENCRYPTION_PROGRAM_DECRYPT empty on a host without the key",
        ) from error


def _require_usable(encryption: Encryption, execution: BackupExecution) -> None:
    try:
        encryption.check()
    except ArchiveError as error:
        raise BackupError(f"the archive cannot be encrypted: {error.message}", hint=error.hint) from error
    if execution.kind == BackupExecution.Kind.SAFETY and not encryption.can_read_back():
        raise BackupError(
            "the safety backup would be encrypted for keys that are not here, so nothing could be rolled back from it",
            hint="set BACKUP_ENCRYPTION_IDENTITY_FILE to the identity for as long as the restore lasts",
        )
