"""Check the keys against what lies at the destinations. They read the database; the second one the archives too."""

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.core.checks import CheckMessage, Error, Warning
from django.db import DatabaseError

from backups.archive.minisign import SigningKeyError
from backups.models import BackupExecution, KeyCheck, SigningKeyUse
from backups.service.archives.signatures import lost_keys
from backups.service.keys.check import HINT, check_all
from destinations.lib.migrated import may_read
from destinations.models import BackupDestination


def check_signing_keys(
    app_configs: Sequence[AppConfig] | None, databases: Sequence[str] | None = None, **_: Any
) -> list[CheckMessage]:
    """W049: archives were signed with a key that this site has no more: a lost one is replaced at the next start."""
    if not (may_read(SigningKeyUse, databases) and may_read(BackupExecution, databases)):
        return []
    try:
        keys = lost_keys()
    except SigningKeyError:
        # E044 says so
        return []
    return [
        Warning(
            f"Backups are signed with the key {key.id}, which this site has no more: they count as foreign.",
            hint="Restore signing.key from a copy and restart. If it is lost, or was replaced on purpose, add this to "
            f"BACKUP_TRUSTED_KEYS: {key.text}",
            id="backups.W049",
        )
        for key in keys
    ]


def check_archives(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    """E046: no key opens a backup any more. W048: that is not known. As `checkkeys`, for `manage.py check --deploy`."""
    try:
        if not (may_read(KeyCheck, ["default"]) and may_read(BackupExecution, ["default"])):
            return []
        report = check_all(BackupDestination.objects.all())
    except DatabaseError:
        hint = "Let the database answer, and run it again."
        return [Warning("The keys were not checked: the database cannot be used.", hint=hint, id="backups.W048")]
    found: list[CheckMessage] = [
        Error(f"No key opens {lost.backup.backup_filename} at {lost.backup.destination.name}.", HINT, id="backups.E046")
        for lost in report.lost
    ]
    return found + [
        Warning(f"The keys for {name} were not checked: {reason}", "Run `testdestination`.", id="backups.W048")
        for name, reason in report.unreachable.items()
    ]
