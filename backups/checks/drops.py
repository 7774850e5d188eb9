"""Check for dropped data: the newest backup lacks what the one before contained. For `check --database default`."""

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning

from backups.models import BackupExecution
from backups.service.drops.episodes import open_episodes, summary
from destinations.lib.migrated import may_read


def check_percent(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    """E070: BACKUP_DROP_PERCENT is out of range: nothing, or everything, would count as a drop."""
    if 1 <= settings.BACKUP_DROP_PERCENT <= 100:
        return []
    hint = "100: only what became empty. To leave out a component, use BACKUP_DROP_IGNORE."
    return [Error("BACKUP_DROP_PERCENT is not between 1 and 100.", hint=hint, id="backups.E070")]


def check_growth(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    """E071: BACKUP_GROWTH_FACTOR is out of range: any backup that is a little larger would be off the trend."""
    if settings.BACKUP_GROWTH_FACTOR == 0 or settings.BACKUP_GROWTH_FACTOR >= 2:
        return []
    hint = "0: no growth is a deviation. 10: what is ten times as large as usual is one."
    return [Error("BACKUP_GROWTH_FACTOR is neither 0 nor at least 2.", hint=hint, id="backups.E071")]


def check_drops(
    app_configs: Sequence[AppConfig] | None, databases: Sequence[str] | None = None, **_: Any
) -> list[CheckMessage]:
    """W070: the newest backup of an instance lacks data, and no operator has confirmed that."""
    if not may_read(BackupExecution, databases):
        return []
    return [
        Warning(
            f"The newest backup of {name} {episode.headline}: {summary(episode.newest)}.",
            hint=f"Restore it from a backup; or, if it is intended: manage.py confirmdrop {name}",
            id="backups.W070",
        )
        for name, episode in open_episodes().items()
    ]
