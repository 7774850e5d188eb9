"""Check for retention rules that wait for a confirmation. For `manage.py check --database default`."""

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.core.checks import CheckMessage, Warning

from destinations.lib.migrated import may_read
from destinations.models import BackupDestination


def check_rules(
    app_configs: Sequence[AppConfig] | None, databases: Sequence[str] | None = None, **_: Any
) -> list[CheckMessage]:
    """W071: a retention rule that would delete more than the one before is not confirmed."""
    if not may_read(BackupDestination, databases):
        return []
    return [
        Warning(
            f"The retention rule of {name} is not confirmed: it would delete more than the one before.",
            hint=f"See what it deletes: manage.py confirmrule {name} --dry-run. Then confirm it, or change it back.",
            id="backups.W071",
        )
        for name in BackupDestination.objects.exclude(rule_pending_since=None).values_list("name", flat=True)
    ]
