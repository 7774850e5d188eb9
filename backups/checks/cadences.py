"""Functions of the deployer's own that schedules may name."""

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, register
from django.utils.module_loading import import_string


@register()
def check_custom_cadences(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    """E030: what BACKUP_CUSTOM_CADENCES names cannot be imported, or is no function."""
    found = [
        (name, path, problem) for name, path in settings.BACKUP_CUSTOM_CADENCES.items() if (problem := _problem(path))
    ]
    return [
        Error(
            f"BACKUP_CUSTOM_CADENCES: {name}={path}: {problem}",
            hint="NAME=DOTTED.PATH of a function in a module that Python finds; see docs/schedules.md",
            id="backups.E030",
        )
        for name, path, problem in found
    ]


def _problem(path: str) -> str:
    try:
        found = import_string(path)
    except Exception as error:  # a module of somebody else may fail with anything
        return f"cannot be imported: {error}"
    return "" if callable(found) else "is not a function"
