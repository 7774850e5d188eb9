"""Encryption settings in the configurations of the services themselves."""

from backups.errors import BackupError
from backups.instances import Instance, inventory
from backups.instances.declaration import declaration_of
from backups.instances.kinds.configuration import LiveConfiguration
from backups.service.archives.names import instance_in
from destinations.lib.redaction import remember


def passphrases_for(filename: str) -> list[str]:
    """Return the passphrases in the configurations of the services that an archive of that name may be of."""
    known = inventory().instances
    named = known.get(instance_in(filename) or "")
    # a renamed archive may be of any instance
    found = [passphrase_of(instance) for instance in (known.values() if named is None else [named])]
    return [passphrase for passphrase in dict.fromkeys(found) if passphrase]


def passphrase_of(instance: Instance, live: LiveConfiguration | None = None) -> str:
    """Return ``[backup] encryption_passphrase`` of `instance`, in use or not; "" where it cannot be read.

    `live` is its configuration where that is read already.
    """
    try:
        passphrase = declaration_of(instance, live).backup.get("encryption_passphrase", "")
    except BackupError:
        # no error: an instance with a damaged configuration must still be restorable
        return ""
    remember(passphrase)
    return passphrase


def wants_encryption(instance: Instance, live: LiveConfiguration | None = None) -> bool:
    """Return ``[backup] encryption_enabled`` of `instance`; False where it cannot be read."""
    try:
        return declaration_of(instance, live).flag("encryption_enabled")
    except BackupError:
        return False
