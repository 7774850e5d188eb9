"""Check the encryption policy of each destination against the keys. For `manage.py check --database default`."""

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Warning

from backups.archive.encryption import KINDS
from backups.instances import inventory
from backups.service.archives.passphrases import passphrase_of, wants_encryption
from backups.service.backup.encrypt import KEY_HINT
from destinations.backends import destination_class
from destinations.exceptions import DestinationConfigError
from destinations.lib.migrated import may_read
from destinations.models import BackupDestination
from destinations.policies.encryption_policy import Policy


def check_sealing(
    app_configs: Sequence[AppConfig] | None, databases: Sequence[str] | None = None, **_: Any
) -> list[CheckMessage]:
    """W043: archives would leave this machine in plain. W044, W045: they must be encrypted, and there is no key."""
    if not may_read(BackupDestination, databases):
        return []
    instances = inventory().instances
    keyless: list[str] = []
    kind = KINDS.get(settings.BACKUP_ENCRYPTION)
    if kind is None or not kind.configured(settings).can_encrypt():
        # the site has no key; a passphrase in the configuration of a service is used with age only
        age = settings.BACKUP_ENCRYPTION == "age"
        keyless = [one.name for one in instances.values() if not (age and wants_encryption(one) and passphrase_of(one))]
    rows = list(BackupDestination.objects.enabled())
    found: list[CheckMessage] = []
    for row in rows:
        try:
            off_box = destination_class(row.type).off_box
        except DestinationConfigError:  # destinations.W005 reports it
            continue
        if row.policy == Policy.REQUIRED and keyless:
            text = f"Destination {row.name!r} takes encrypted archives only, and there is no key for "
            text += f"{', '.join(keyless)}: backups to it will fail."
            hint = KEY_HINT[0].upper() + KEY_HINT[1:].removesuffix(".") + "."
            found.append(Warning(text, hint=hint, id="backups.W044"))
        elif off_box and (row.policy == Policy.OFF or (row.policy == Policy.ALLOWED and keyless)):
            text = f"Destination {row.name!r} is not on this machine and takes archives that are not encrypted."
            hint = "Set its encryption to required, and configure a key: docs/encryption.md."
            found.append(Warning(text, hint=hint, id="backups.W043"))
    # W044 reports these for a destination that requires encryption
    wanting = [name for name in keyless if wants_encryption(instances[name])]
    if wanting and any(row.policy == Policy.ALLOWED for row in rows):
        text = f"Encryption is configured for {', '.join(wanting)}, but there is no key: backups will fail."
        hint = "Set [backup] encryption_passphrase there, or a key of the site: docs/encryption.md."
        found.append(Warning(text, hint=hint, id="backups.W045"))
    return found
