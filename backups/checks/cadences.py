"""Check the cadence functions that schedules may use, and, with a database, the destinations that they name."""

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning
from django.utils.module_loading import import_string

from backups.instances import inventory
from backups.models import BackupSchedule
from backups.service.schedules.coverage import covered_by
from backups.service.schedules.describe import disabled_in_words
from destinations.lib.migrated import may_read


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


def check_destinations_of_schedules(
    app_configs: Sequence[AppConfig] | None, databases: Sequence[str] | None = None, **_: Any
) -> list[CheckMessage]:
    """W072: a schedule that runs names a disabled destination."""
    if not may_read(BackupSchedule, databases):
        return []
    enabled = BackupSchedule.objects.enabled().whole()
    schedules = enabled.select_related("destination").prefetch_related("further__destination")
    return [
        Warning(
            f"Schedule {schedule.name}: {problem}",
            hint="Enable the destination, or take it out of the schedule.",
            id="backups.W072",
        )
        for schedule in schedules
        if (problem := disabled_in_words(schedule))
    ]


def check_scopes_of_schedules(
    app_configs: Sequence[AppConfig] | None, databases: Sequence[str] | None = None, **_: Any
) -> list[CheckMessage]:
    """W073: a schedule of several instances covers none."""
    # of a file that cannot be read it is not known what it describes, and W001 or E001 is about that
    if not may_read(BackupSchedule, databases) or inventory().file_problem is not None:
        return []
    return [
        Warning(
            f"Schedule {schedule.name} covers no instance: none has the label {schedule.label!r}."
            if schedule.scope == BackupSchedule.Scope.LABEL
            else f"Schedule {schedule.name} covers no instance: the instances file describes none.",
            hint="Give instances the label in the instances file, or change the schedule with `changeschedule`.",
            id="backups.W073",
        )
        for schedule in BackupSchedule.objects.enabled().exclude(scope=BackupSchedule.Scope.INSTANCE)
        if not covered_by(schedule)
    ]
