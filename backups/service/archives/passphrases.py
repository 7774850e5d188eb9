"""The passphrases that services have in their own configuration."""

from backups.errors import BackupError
from backups.instances import Instance, inventory
from backups.instances.declaration import declaration_of
from backups.instances.kinds.base import LiveConfiguration
from backups.service.archives.names import instance_in
from destinations.lib.redaction import remember


def passphrases_for(filename: str) -> list[str]:
    """Return the passphrases in the configurations of the services that an archive of that name may be of."""
    found = [passphrase_of(instance) for instance in _instances_in(filename)]
    return [passphrase for passphrase in dict.fromkeys(found) if passphrase]


def passphrase_of(instance: Instance, live: LiveConfiguration | None = None) -> str:
    """Return what ``[backup] encryption_passphrase`` of `instance` says, in use or not; "" where nothing can be read.

    `live` is its configuration where that is read already.
    A service whose configuration is broken is the very one that is going to be restored.
    """
    try:
        passphrase = declaration_of(instance, live).backup.get("encryption_passphrase", "")
    except BackupError:
        return ""
    remember(passphrase)
    return passphrase


def wants_encryption(instance: Instance, live: LiveConfiguration | None = None) -> bool:
    """Tell whether `instance` says ``[backup] encryption_enabled``."""
    try:
        return declaration_of(instance, live).flag("encryption_enabled")
    except BackupError:
        return False


def _instances_in(filename: str) -> list[Instance]:
    known = inventory().instances
    named = known.get(instance_in(filename) or "")
    return list(known.values()) if named is None else [named]
