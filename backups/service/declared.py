"""Backups as the configuration of a service declares them: read into rows that nobody edits here.

Of a TACACS+ server the sections ``[backup]``, ``[backup.destinations.NAME]`` and ``[backup.schedules.NAME]`` of its
merged configuration count; of any other instance the tables of the same names in instances.toml.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field

from django.core.exceptions import ValidationError
from django.db import transaction

from backups import tacacs
from backups.errors import BackupError
from backups.instances import Instance, get_instance
from backups.models import BackupSchedule
from backups.service import audit
from backups.service.rhythm import plan
from backups.service.rowlock import lock_instance
from destinations.exceptions import DestinationError
from destinations.models import BackupDestination
from destinations.rule import SETTINGS_OF

Section = Mapping[str, str]
DESTINATION, SCHEDULE = "destinations.", "schedules."
TRUE = ("true", "1", "yes", "on")
# keys of [backup] that are numbers of a retention rule, and the columns that hold them
RETENTION = {
    "default_retention_days": "retention_days",
    "gfs_keep_daily": "keep_daily",
    "gfs_keep_weekly": "keep_weekly",
    "gfs_keep_monthly": "keep_monthly",
    "gfs_keep_yearly": "keep_yearly",
}
RULE_NUMBER = {"retention_days": "keep_days"}


@dataclass(frozen=True, slots=True)
class Declaration:
    """What one instance declares: its own ``[backup]``, its destinations and its schedules, by name."""

    backup: Section
    destinations: Mapping[str, Section]
    schedules: Mapping[str, Section]

    @property
    def enabled(self) -> bool:
        return self.flag("enabled", default=True)

    def flag(self, key: str, *, default: bool = False) -> bool:
        value = self.backup.get(key)
        return default if value is None or value == "" else value.strip().lower() in TRUE


@dataclass(slots=True)
class Synced:
    """What a sync did, by row, and what it could not read, by section."""

    changed: list[str] = field(default_factory=list)
    disabled: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def declaration_of(instance: Instance) -> Declaration:
    """Return what `instance` declares now. Raises ComponentError when its configuration cannot be read."""
    sections = tacacs.live_configuration(instance) if instance.kind == "tacacs" else instance.backup
    inner = {name.removeprefix("backup."): values for name, values in sections.items() if name.startswith("backup.")}
    return Declaration(
        sections.get("backup", {}),
        {name.removeprefix(DESTINATION): values for name, values in inner.items() if name.startswith(DESTINATION)},
        {name.removeprefix(SCHEDULE): values for name, values in inner.items() if name.startswith(SCHEDULE)},
    )


def sync(name: str) -> Synced:
    """Make the managed rows of instance `name` what it declares; the rest of them is disabled, never deleted.

    A section that cannot be read is a problem in the result and leaves its row as it was. Raises InstanceError or
    ComponentError when the configuration as a whole cannot be read.
    """
    instance = get_instance(name)
    declared = declaration_of(instance)
    synced = Synced()
    with transaction.atomic():
        lock_instance(name)
        targets, schedules = {}, set()
        for key, section in declared.destinations.items():
            if (destination := _destination(instance, key, section, declared, synced)) is not None:
                targets[key] = destination
        for key, section in declared.schedules.items():
            if (schedule := _schedule(instance, key, section, targets, declared, synced)) is not None:
                schedules.add(schedule.pk)
        _disable_others(instance, declared, {row.pk for row in targets.values()}, schedules, synced)
    for problem in synced.problems:
        audit.log("config.problem", logging.ERROR, instance=name, problem=problem)
    if synced.changed or synced.disabled:
        audit.log("config.synced", instance=name, changed=",".join(synced.changed), disabled=",".join(synced.disabled))
    return synced


def managed_by(instance: Instance) -> str:
    return f"configuration of {instance.name}"


def row_name(instance: Instance, key: str) -> str:
    return f"{instance.name}-{key}"


def _destination(
    instance: Instance, key: str, section: Section, declared: Declaration, synced: Synced
) -> BackupDestination | None:
    where = f"[backup.destinations.{key}]"
    values = {name: value for name, value in section.items() if name not in ("type", "retention_days", "enabled")}
    existing = BackupDestination.objects.filter(name=row_name(instance, key)).first()
    if existing is not None and existing.managed_by != managed_by(instance):
        synced.problems.append(f"{where}: a destination {existing.name} was made by hand already")
        return None
    row = existing or BackupDestination(name=row_name(instance, key), created_by=managed_by(instance))
    before = _values(row)
    try:
        row.type = section.get("type", "local")
        row.configure(values)
        row.enabled, row.managed_by = True, managed_by(instance)
        for column, value in _rule(section, declared).items():
            setattr(row, column, value)
        row.full_clean()
    except (DestinationError, ValidationError, ValueError) as error:
        synced.problems.append(f"{where}: {_text(error)}")
        return None
    if _values(row) != before:
        row.save()
        synced.changed.append(f"destination {row.name}")
    return row


def _rule(section: Section, declared: Declaration) -> dict[str, object]:
    """Return the columns of the retention rule: the destination's days, or the service's default strategy."""
    strategy = declared.backup.get("default_retention_strategy", "") or "simple"
    rule: dict[str, object] = {"retention_strategy": strategy} | dict.fromkeys(RETENTION.values())
    for key, column in RETENTION.items():
        text = section.get("retention_days") if column == "retention_days" else None
        text = text or declared.backup.get(key)
        if text and RULE_NUMBER.get(column, column) in SETTINGS_OF.get(strategy, ()):
            rule[column] = int(text)
    if all(rule[column] is None for column in RETENTION.values()) and strategy == "simple":
        rule["retention_strategy"] = ""
    return rule


def _schedule(
    instance: Instance,
    key: str,
    section: Section,
    targets: Mapping[str, BackupDestination],
    declared: Declaration,
    synced: Synced,
) -> BackupSchedule | None:
    where = f"[backup.schedules.{key}]"
    existing = BackupSchedule.objects.filter(name=row_name(instance, key)).first()
    if existing is not None and existing.managed_by != managed_by(instance):
        synced.problems.append(f"{where}: a schedule {existing.name} was made by hand already")
        return None
    row = existing or BackupSchedule(name=row_name(instance, key), created_by=managed_by(instance))
    before = _values(row)
    try:
        row.destination = _target(section.get("destination", ""), targets)
        row.instance, row.managed_by = instance.name, managed_by(instance)
        row.type, row.expression = rhythm_of(section.get("schedule", ""))
        row.time_zone = section.get("time_zone", "") or "UTC"
        row.enabled = declared.enabled
        row.clean_fields()
        if _values(row) != before:
            plan(row)
            synced.changed.append(f"schedule {row.name}")
    except (BackupError, ValidationError) as error:
        synced.problems.append(f"{where}: {_text(error)}")
        return existing
    return row


def _target(name: str, targets: Mapping[str, BackupDestination]) -> BackupDestination:
    """Return the destination a schedule names: one declared beside it, or one made by hand."""
    found = targets.get(name) or BackupDestination.objects.filter(name=name).first()
    if found is None:
        raise BackupError(f"there is no destination {name!r}", hint="declare it, or add it with `adddestination`")
    return found


def rhythm_of(text: str) -> tuple[str, str]:
    """Return type and expression of a declared schedule: five fields, or an interval such as ``hours:24``."""
    text = text.strip()
    if text in ("", "manual"):
        return BackupSchedule.Type.MANUAL, ""
    return (BackupSchedule.Type.INTERVAL if ":" in text else BackupSchedule.Type.CRON), text


def _disable_others(
    instance: Instance, declared: Declaration, destinations: set[str], schedules: set[str], synced: Synced
) -> None:
    """Disable the rows that nothing declares any more; a section that is there but wrong does not count as gone."""
    mine = managed_by(instance)
    named = {row_name(instance, key) for key in declared.schedules}
    for schedule in BackupSchedule.objects.filter(managed_by=mine, enabled=True).exclude(pk__in=schedules):
        if schedule.name not in named:
            schedule.enabled, schedule.next_run, schedule.retry_at = False, None, None
            schedule.save(update_fields=["enabled", "next_run", "retry_at"])
            synced.disabled.append(f"schedule {schedule.name}")
    named = {row_name(instance, key) for key in declared.destinations}
    for destination in BackupDestination.objects.filter(managed_by=mine, enabled=True).exclude(pk__in=destinations):
        if destination.name not in named:
            destination.enabled = False
            destination.save(update_fields=["enabled"])
            synced.disabled.append(f"destination {destination.name}")


def _values(row: BackupDestination | BackupSchedule) -> dict[str, object]:
    ignored = {"id", "next_run", "retry_at", "created_at"}
    return {
        field.attname: getattr(row, field.attname)
        for field in row._meta.concrete_fields
        if field.attname not in ignored
    }


def _text(error: Exception) -> str:
    if isinstance(error, ValidationError):
        return " ".join(error.messages)
    return getattr(error, "message", None) or "a number is expected"
