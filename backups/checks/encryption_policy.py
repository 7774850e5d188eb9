"""Whether archives leave this machine encrypted: asked by `manage.py check --database default`."""

from collections.abc import Iterator, Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Tags, Warning, register

from backups.archive.encryption import KINDS
from backups.instances import inventory
from backups.service.archives.passphrases import passphrase_of, wants_encryption
from backups.service.backup.encrypt import KEY_HINT
from destinations.backends import destination_class
from destinations.exceptions import DestinationConfigError
from destinations.migrated import may_read
from destinations.models import BackupDestination
from destinations.policies.encryption_policy import Policy


@register(Tags.database)
def check_sealing(
    app_configs: Sequence[AppConfig] | None, databases: Sequence[str] | None = None, **_: Any
) -> list[CheckMessage]:
    """W043: archives would leave this machine in plain. W044, W045: they must be encrypted, and there is no key."""
    if not may_read(BackupDestination, databases):
        return []
    keyless = _instances_without_key()
    rows = list(BackupDestination.objects.enabled())
    return [*(message for row in rows for message in _look(row, keyless)), *_asking(rows, keyless)]


def _instances_without_key() -> list[str]:
    """Return the instances whose archives nothing could encrypt."""
    kind = KINDS.get(settings.BACKUP_ENCRYPTION)
    if kind is not None and kind.configured(settings).can_encrypt():
        return []
    age = settings.BACKUP_ENCRYPTION == "age"
    known = inventory().instances.values()
    return [one.name for one in known if not (age and wants_encryption(one) and passphrase_of(one))]


def _look(row: BackupDestination, keyless: list[str]) -> Iterator[CheckMessage]:
    try:
        off_box = destination_class(row.type).off_box
    except DestinationConfigError:
        return
    if row.policy == Policy.REQUIRED and keyless:
        yield Warning(
            f"Destination {row.name!r} takes encrypted archives only, and there is no key for {', '.join(keyless)}: "
            "backups to it will fail.",
            hint=KEY_HINT[0].upper() + KEY_HINT[1:] + ".",
            id="backups.W044",
        )
    elif off_box and (row.policy == Policy.OFF or (row.policy == Policy.ALLOWED and keyless)):
        yield Warning(
            f"Destination {row.name!r} is not on this machine and takes archives that are not encrypted.",
            hint="Set its encryption to required, and configure a key: docs/encryption.md.",
            id="backups.W043",
        )


def _asking(rows: list[BackupDestination], keyless: list[str]) -> Iterator[CheckMessage]:
    """Services that ask for encryption, where nothing else tells that their backups fail for want of a key."""
    known = inventory().instances
    asking = [name for name in keyless if wants_encryption(known[name])]
    if asking and any(row.policy == Policy.ALLOWED for row in rows):
        yield Warning(
            f"encryption is asked for in the configuration of {', '.join(asking)}, and there is no key: "
            "backups of it will fail.",
            hint="Set [backup] encryption_passphrase there, or a key of the site: docs/encryption.md.",
            id="backups.W045",
        )
