"""Check that a worker serves each queue. For `manage.py check --database default`."""

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.core.checks import CheckMessage, Warning

from backups.models import Heartbeat
from backups.service.monitoring.workers import worker_state
from destinations.lib.migrated import may_read


def check_workers(
    app_configs: Sequence[AppConfig] | None, databases: Sequence[str] | None = None, **_: Any
) -> list[CheckMessage]:
    """W024: a queue has no healthy worker."""
    if not may_read(Heartbeat, databases):
        return []
    return [Warning(problem.message, hint=problem.hint, id="backups.W024") for problem in worker_state().problems]
