"""System checks of destinations, retention settings and BACKUP_SECRETS_KEY."""

import stat
from collections.abc import Sequence
from typing import Any

from cryptography.fernet import Fernet
from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register

from destinations.exceptions import DestinationConfigError
from destinations.lib.migrated import may_read
from destinations.models import BackupDestination
from destinations.policies.retention_fields import site_rule
from destinations.policies.retention_rule import RetentionError


@register()
def check_backup_root(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    root = settings.BACKUP_ROOT
    if not root.is_absolute():
        return [Error(f"BACKUP_ROOT ({root}) is not absolute.", "Give the full path.", id="destinations.E001")]
    try:
        mode = root.stat().st_mode
    except FileNotFoundError:
        return []  # W006 reports it when a destination needs it
    except OSError as error:
        return [
            Error(
                f"BACKUP_ROOT ({root}) cannot be read: {error.strerror}.",
                "Mount it, and let the user that runs this program enter it.",
                id="destinations.E002",
            )
        ]
    if not stat.S_ISDIR(mode):
        return [Error(f"BACKUP_ROOT ({root}) is not a folder.", "Give the path of a folder.", id="destinations.E002")]
    if mode & stat.S_IRWXO:
        return [
            Warning(
                f"BACKUP_ROOT ({root}) is open to every user of this machine (mode {stat.S_IMODE(mode):04o}).",
                f"Run: chmod o= {root}",
                id="destinations.W003",
            )
        ]
    return []


@register()
def check_secrets_key(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    hint = (
        "Make one with: python -c 'from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())'. "
        "To rotate, put the new key in front and keep the old ones."
    )
    if not settings.BACKUP_SECRETS_KEY:
        return [Error("BACKUP_SECRETS_KEY is empty.", hint, id="destinations.E004")]
    return [
        Error(f"Key {number} of BACKUP_SECRETS_KEY is malformed.", hint, id="destinations.E004")
        for number, key in enumerate(settings.BACKUP_SECRETS_KEY, start=1)
        if not _is_fernet_key(key)
    ]


@register()
def check_storage_aliases(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    return [
        Error(
            f"BACKUP_STORAGE_ALIASES names {alias!r}, which is no alias of STORAGES.",
            f"The aliases are: {', '.join(settings.STORAGES)}.",
            id="destinations.E009",
        )
        for alias in settings.BACKUP_STORAGE_ALIASES
        if alias not in settings.STORAGES
    ]


def _is_fernet_key(key: str) -> bool:
    try:
        Fernet(key)
    except ValueError:
        return False
    return True


@register()
def check_retention(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    try:
        site_rule()
    except RetentionError as error:
        return [
            Error(
                f"The BACKUP_RETENTION_* settings are no rule: {error.message}",
                f"{error.hint} keep_days is BACKUP_RETENTION_DAYS, and so on.",
                id="destinations.E007",
            )
        ]
    return []


@register(Tags.database)
def check_rows(
    app_configs: Sequence[AppConfig] | None, databases: Sequence[str] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    if not may_read(BackupDestination, databases):
        return []
    rows = list(BackupDestination.objects.all())
    found: list[CheckMessage] = []
    for row in rows:
        try:
            with row.open() as opened:
                warnings = opened.warnings()
        except DestinationConfigError as error:
            found.append(Warning(f"Destination {row.name!r}: {error.message}", error.hint, id="destinations.W005"))
            continue
        found.extend(Warning(f"Destination {row.name!r}: {text}", id="destinations.W008") for text in warnings)
    root = settings.BACKUP_ROOT
    if not root.exists() and any(row.enabled and row.type == "local" for row in rows):
        text = f"BACKUP_ROOT ({root}) does not exist, and enabled destinations store below it."
        found.append(Warning(text, f"Mount it, or make it with: mkdir -m 700 {root}", id="destinations.W006"))
    return found
