"""The encryption of a backup's archive: chosen before anything is exported, verified after packing."""

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
from backups.instances.kinds.configuration import LiveConfiguration
from backups.models import BackupExecution
from backups.service.archives.passphrases import passphrase_of, wants_encryption
from destinations.lib.operator_error import sentences
from destinations.models import BackupDestination
from destinations.policies.encryption_policy import Policy

KEY_HINT = "Set BACKUP_ENCRYPTION_RECIPIENTS or BACKUP_ENCRYPTION_PASSPHRASE, see docs/encryption.md."


def encryption_for(
    backup: BackupExecution, destination: BackupDestination, instance: Instance, live: LiveConfiguration
) -> Encryption | None:
    """Return what encrypts the archive of `backup` at `destination`, None for a plain one.

    `live` is the instance's configuration.
    Raises BackupError when encryption is required and there is no key for it, or the keys cannot be used.
    """
    if destination.policy == Policy.OFF:
        return None
    wanted = wants_encryption(instance, live)
    encryption = site_encryption([passphrase_of(instance, live)] if wanted else [])
    if encryption.can_encrypt():
        try:
            encryption.check()
        except ArchiveError as error:
            raise BackupError(
                sentences(f"The archive cannot be encrypted: {error.message}"), hint=error.hint
            ) from error
        # a rollback has to read the safety backup on this host
        if backup.kind == BackupExecution.Kind.SAFETY and not encryption.can_read_back():
            raise BackupError(
                "The safety backup would be encrypted for keys that are not on this host, so a rollback could not read"
                " it.",
                hint="Set BACKUP_ENCRYPTION_IDENTITY_FILE to the identity for as long as the restore lasts.",
            )
        return encryption
    if destination.policy == Policy.REQUIRED:
        raise BackupError(f"{destination.name} takes encrypted archives only, and no key is configured.", hint=KEY_HINT)
    if wanted:
        raise BackupError(
            f"{instance.name} requires encryption in its configuration, and there is no key.",
            hint="Set [backup] encryption_passphrase there, or a key of the site: docs/encryption.md.",
        )
    return None


def site_encryption(passphrases: list[str]) -> Encryption:
    """Return the kind that BACKUP_ENCRYPTION names, with the keys of the site, or else with `passphrases`."""
    try:
        kind = KINDS[settings.BACKUP_ENCRYPTION]
    except KeyError:
        raise BackupError(
            f"There is no encryption called {settings.BACKUP_ENCRYPTION!r}.",
            hint=f"Set BACKUP_ENCRYPTION to one of: {', '.join(KINDS)}.",
        ) from None
    return kind.configured(settings, passphrases)


def with_encryption(manifest: Manifest, encryption: Encryption | None) -> Manifest:
    """Return `manifest` with the algorithm and metadata of `encryption`."""
    if encryption is None:
        return manifest
    return replace(
        manifest,
        encrypted=True,
        encryption_algorithm=encryption.algorithm,
        encryption_metadata=encryption.metadata(),
    )


def verify_encrypted(
    archive: Path, manifest: Manifest, encryption: Encryption, progress: Callable[[int], None]
) -> None:
    """Decrypt the `archive` that a program has just encrypted, and compare every member with the manifest.

    Skipped when this host has no key to decrypt with. Raises BackupError when the archive does not open.
    """
    # only for external programs, whose command lines the site configures
    if not (encryption.needs_read_back and encryption.can_read_back()):
        return
    try:
        with archive.open("rb", buffering=0) as source, encryption.reader(source) as plain:
            found = verify_members(plain, progress)
        if found.to_dict() != manifest.to_dict():
            raise ArchiveError("It is another archive than the one that was encrypted.")
    except ArchiveError as error:
        raise BackupError(
            sentences(f"The archive cannot be opened after its encryption: {error.message}"),
            hint="Try both programs by hand; leave BACKUP_ENCRYPTION_PROGRAM_DECRYPT empty on a host without the key.",
        ) from error
