"""Check the cadence functions of the deployer that schedules may use."""

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, register
from django.utils.module_loading import import_string


@register()
def check_custom_cadences(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    """E030: an entry of BACKUP_CUSTOM_CADENCES cannot be imported, or is not a function."""
    found: list[CheckMessage] = []
    for name, path in settings.BACKUP_CUSTOM_CADENCES.items():
        problem = ""
        try:
            if not callable(import_string(path)):
                problem = "is not a function."
        except Exception as error:  # importing the deployer's module runs its code, which may raise anything
            problem = f"cannot be imported: {error}."
        if problem:
            found.append(
                Error(
                    f"BACKUP_CUSTOM_CADENCES: {name}={path}: {problem}",
                    hint="Give NAME=DOTTED.PATH of a function in a module that Python finds; see docs/schedules.md.",
                    id="backups.E030",
                )
            )
    return found
