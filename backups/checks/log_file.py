"""Check that the log file can be written. Otherwise the log goes to standard error, which is seldom kept."""

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.core.checks import CheckMessage, Warning

from backups.lib.log_handlers import HINT, log_problem


def check_log_file(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    """W080: the log file cannot be written by the user that runs the check."""
    problem = log_problem()
    return [Warning(problem, hint=HINT, id="backups.W080")] if problem else []
