"""Check instances.toml, and that the files of each instance can be read."""

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from django.apps import AppConfig
from django.core.checks import CheckMessage, Error, Warning

from backups.components import Component
from backups.errors import BackupError
from backups.instances import Instance, inventory
from backups.instances.declaration import declaration_of
from backups.instances.kinds import components_of
from backups.instances.mismatch import mismatches_by_instance
from backups.lib.paths import stat_path
from backups.lib.site_paths import NO_SITE_PATHS
from backups.models import BackupExecution
from backups.service.automation.declared import problems_of
from backups.service.backup.held_before import last_backup_with
from destinations.lib.formats import printable
from destinations.lib.migrated import may_read


def check_instances_file(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    """E001: an instance has configuration errors. W001: there is no instances file yet."""
    return [
        Warning(str(problem), hint=problem.hint, id="backups.W001")
        if problem.missing
        else Error(str(problem), hint=problem.hint, id="backups.E001")
        for problem in inventory().problems
    ]


def check_sources(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    """W002: a file of an instance is missing or cannot be read."""
    # a warning: an error would stop every command, also for the other services and for the restore of this one
    return [
        Warning(
            f"[{instance.name}] {finding}",
            hint="Correct the instances file, or bring the file back.",
            id="backups.W002",
        )
        for instance in inventory().instances.values()
        for finding in _missing_sources(instance)
    ]


def check_databases_in_use(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    """W003: a running service uses another database than the one that would be backed up."""
    components: list[tuple[Instance, list[Component]]] = []
    for instance in inventory().instances.values():
        with suppress(BackupError):  # W002 reports it
            components.append((instance, components_of(instance.service, own=NO_SITE_PATHS)))
    return [
        Warning(f"[{name}] {one}", hint=one.hint, id="backups.W003") for name, one in mismatches_by_instance(components)
    ]


def check_restorable(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    """W051: a component could not be restored, because of its mounts or the permissions of this user."""
    found: list[CheckMessage] = []
    for instance in inventory().instances.values():
        if not instance.root.is_dir():  # W002 reports it
            continue
        with suppress(BackupError, OSError):  # W002 reports what cannot be read
            found += [
                Warning(
                    f"[{instance.name}] {part.name}: a restore would be refused now: {obstacle.message}",
                    hint=obstacle.hint,
                    id="backups.W051",
                )
                for part in components_of(instance.service, own=NO_SITE_PATHS)
                # what does not exist is reported by W002
                if part.exists()
                for obstacle in part.obstacles(deep=False)
            ]
    return found


def check_declarations(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    """W005: the destinations and schedules that a service declares have errors."""
    found: list[CheckMessage] = []
    for instance in inventory().instances.values():
        with suppress(BackupError):  # W002 reports it
            problems = problems_of(declaration_of(instance))
            hint = "Correct it where it is declared: docs/schedules.md."
            found += [Warning(f"[{instance.name}] {problem}", hint=hint, id="backups.W005") for problem in problems]
    return found


def check_gone(
    app_configs: Sequence[AppConfig] | None, databases: Sequence[str] | None = None, **_: Any
) -> list[CheckMessage]:
    """W004: a database that its service makes at the first use is missing, and was backed up before."""
    if not may_read(BackupExecution, databases):
        return []
    gone = [
        (instance.name, part, holder)
        for instance in inventory().instances.values()
        for part in _made_at_first_use(instance)
        if not part.exists() and (holder := last_backup_with(instance, part.name)) is not None
    ]
    return [
        Warning(
            f"[{name}] {part.name}: {part.sources()[0]} does not exist, and {holder} holds it.",
            hint=f"Restore {part.name} from that backup. If it was removed on purpose, mark it optional.",
            id="backups.W004",
        )
        for name, part, holder in gone
    ]


def _made_at_first_use(instance: Instance) -> list[Component]:
    try:
        parts = components_of(instance.service, own=NO_SITE_PATHS)
    except BackupError:  # W002 reports it
        return []
    return [part for part in parts if part.made_at_first_use and not part.optional]


def _missing_sources(instance: Instance) -> Iterator[str]:
    """Yield what is wrong with the files of `instance`, one sentence each."""
    roots = instance.service.root.allowed
    unreachable = [root for root in roots if not os.path.isdir(root)]  # noqa: PTH112 - Path.is_dir may raise
    yield from (f"root: {root} is not a folder that this user can reach." for root in unreachable)
    if unreachable:
        return
    try:
        parts = components_of(instance.service, own=NO_SITE_PATHS)
    except BackupError as error:
        yield error.message
        return
    for part in parts:
        # W004 reports what is made at the first use and was there before
        if not part.optional and (part.exists() or not part.made_at_first_use):
            yield from (f"{part.name}: {finding}" for path in part.sources() if (finding := _unusable(path)))


def _unusable(path: Path) -> str:
    try:
        stat_path(path)
    except BackupError as error:
        return error.message
    return "" if os.access(path, os.R_OK) else printable(f"{path} cannot be read: permission denied.")
