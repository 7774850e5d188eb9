"""Sync the destinations and schedules that a service declares in its configuration into managed rows.

The format of the declaration is in `backups.instances.declaration`.
"""

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from backups.errors import BackupError
from backups.instances import Instance, get_instance
from backups.instances.declaration import Declaration, declaration_of, is_on
from backups.instances.kinds.layers import Section
from backups.lib import audit
from backups.models import BackupSchedule, InstanceState
from backups.runs.claim import lock_instance
from backups.service.automation.cleanup import disable_undeclared, managed_by
from backups.service.retention.rule_change import keep_rule_as_confirmed, settle_rule
from backups.service.schedules.planning import PLANNED_BY, plan
from destinations.backends import TYPES
from destinations.lib.formats import as_text, is_text
from destinations.lib.operator_error import OperatorError, sentences
from destinations.lib.redaction import SHORTEST_SECRET
from destinations.models import BackupDestination
from destinations.policies.retention_rule import SETTINGS_OF

# keys of [backup] that are numbers of a retention rule, and the columns that hold them
RETENTION = {
    "default_retention_days": "retention_days",
    "gfs_keep_daily": "keep_daily",
    "gfs_keep_weekly": "keep_weekly",
    "gfs_keep_monthly": "keep_monthly",
    "gfs_keep_yearly": "keep_yearly",
}
RULE_NUMBER = {"retention_days": "keep_days"}
DAYS = tuple(RULE_NUMBER)


@dataclass(slots=True)
class Synced:
    """The rows that a sync changed and disabled, and the problems, by section.

    `pending` names destinations whose new rule would delete more than the one before: an operator has to confirm it.
    """

    changed: list[str] = field(default_factory=list)
    disabled: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    pending: list[str] = field(default_factory=list)


def sync(name: str) -> Synced:
    """Create and update the managed rows of instance `name` as it declares them; disable its other managed rows.

    A section with errors is a problem in the result and leaves its row as it was. Raises InstanceError or
    ComponentError when the configuration as a whole cannot be read.
    """
    instance = get_instance(name)
    declared = declaration_of(instance)
    synced = Synced()
    with transaction.atomic():
        # two syncs at once would add the same rows
        lock_instance(name)
        targets = {}
        for key, section in declared.destinations.items():
            if (destination := _destination(instance, key, section, declared, synced)) is not None:
                targets[key] = destination
        for key, section in declared.schedules.items():
            _schedule(instance, key, section, targets, declared, synced)
        schedule_names = {row_name(instance, key) for key in declared.schedules}
        destination_names = {row_name(instance, key) for key in declared.destinations}
        synced.disabled = disable_undeclared(managed_by(name), schedules=schedule_names, destinations=destination_names)
        known = InstanceState.objects.get(instance=name).config_problem
        InstanceState.objects.filter(instance=name).update(config_problem=sentences(*synced.problems))
    for problem in synced.problems:
        # logged when it is new, not at each sync
        if problem not in known:
            audit.log("config.problem", logging.ERROR, instance=name, problem=problem)
    if synced.changed or synced.disabled:
        audit.log("config.synced", instance=name, changed=",".join(synced.changed), disabled=",".join(synced.disabled))
    return synced


def row_name(instance: Instance, key: str) -> str:
    return f"{instance.name}-{key}"


def _destination(
    instance: Instance, key: str, section: Section, declared: Declaration, synced: Synced
) -> BackupDestination | None:
    where = f"[backup.destinations.{key}]"
    values = {name: value for name, value in section.items() if name not in ("type", "retention_days", "enabled")}
    existing = BackupDestination.objects.filter(name=row_name(instance, key)).first()
    if existing is not None and existing.managed_by != managed_by(instance.name):
        synced.problems.append(f"{where}: A destination {existing.name} exists already, and was added by hand.")
        return None
    row = existing or BackupDestination(name=row_name(instance, key), created_by=managed_by(instance.name))
    before = _values(row)
    try:
        # the rule in force: a new one that would delete more is compared with it
        if existing is not None and row.confirmed_rule is None:
            keep_rule_as_confirmed(row)
        _require_text(section)
        row.type = section.get("type", "local")
        row.configure(values)
        row.enabled, row.managed_by = is_on(section, "enabled", default=True), managed_by(instance.name)
        for column, value in _rule(key, section, declared).items():
            setattr(row, column, value)
        row.full_clean()
    except (OperatorError, ValidationError, ValueError) as error:
        synced.problems.append(f"{where}: {_reason(error, section, declared)}")
        return None
    if _values(row) != before:
        row.save()
        synced.changed.append(f"destination {row.name}")
    try:
        waiting = settle_rule(row)
    except BackupError as error:
        # the rule stays unconfirmed and deletes nothing; the other rows are synced all the same
        synced.problems.append(f"{where}: {error.message}")
    else:
        more = f"{row.name}: {len(waiting)} more of its backups would be deleted by the rule {row.rule()}"
        synced.pending += [more] if waiting else []
    return row


def _rule(key: str, section: Section, declared: Declaration) -> dict[str, object]:
    """Return the columns of the retention rule: the destination's days, or the service's default strategy."""
    strategy = declared.backup.get("default_retention_strategy", "") or "simple"
    rule: dict[str, object] = {"retention_strategy": strategy} | dict.fromkeys(RETENTION.values())
    for name, column in RETENTION.items():
        text = section.get("retention_days") if column == "retention_days" else None
        text = text or declared.backup.get(name)
        if text and RULE_NUMBER.get(column, column) in SETTINGS_OF.get(strategy, ()):
            days = [int(text)]
            if column in DAYS:
                # a schedule may declare more days than its destination: the most count, so that none gets fewer
                mine = [one for one in declared.schedules.values() if _unquoted(one.get("destination", "")) == key]
                days += [int(more) for one in mine if (more := one.get("retention_days"))]
            rule[column] = max(days)
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
) -> None:
    where = f"[backup.schedules.{key}]"
    existing = BackupSchedule.objects.select_for_update().filter(name=row_name(instance, key)).first()
    if existing is not None and existing.managed_by != managed_by(instance.name):
        synced.problems.append(f"{where}: A schedule {existing.name} exists already, and was added by hand.")
        return
    row = existing or BackupSchedule(name=row_name(instance, key), created_by=managed_by(instance.name))
    before = _values(row)
    try:
        _require_text(section)
        wanted = _unquoted(section.get("destination", ""))
        if wanted in declared.destinations and wanted not in targets:
            raise BackupError("Its destination has configuration errors.")
        # a declared destination, or else one that was added by hand
        destination = targets.get(wanted) or BackupDestination.objects.filter(name=wanted).first()
        if destination is None:
            raise BackupError("Its destination does not exist.", hint="Declare it, or add it with `adddestination`.")
        row.destination = destination
        row.instance, row.managed_by = instance.name, managed_by(instance.name)
        row.type, row.expression = parse_cadence(section.get("schedule", ""))
        row.time_zone = section.get("time_zone", "") or "UTC"
        row.enabled = declared.enabled and is_on(section, "enabled", default=True)
        row.clean_fields()
        if _values(row) != before:
            if any(before[name] != getattr(row, name) for name in PLANNED_BY):
                row.active_since = timezone.now()
            plan(row)
            synced.changed.append(f"schedule {row.name}")
    except (OperatorError, ValidationError, ValueError) as error:
        synced.problems.append(f"{where}: {_reason(error, section, declared)}")


def parse_cadence(text: str) -> tuple[str, str]:
    """Return type and expression of a declared schedule: five fields, or an interval such as ``hours:24``."""
    text = _unquoted(text)
    if text in ("", "manual"):
        return BackupSchedule.Type.MANUAL, ""
    return (BackupSchedule.Type.INTERVAL if ":" in text else BackupSchedule.Type.CRON), text


def _unquoted(text: str) -> str:
    """Strip quotation marks, which are part of the value in this file format, from ``"0 2 * * *"``."""
    return re.sub(r"""^(["'])(.*)\1$""", r"\2", text.strip()).strip()


def _values(row: BackupDestination | BackupSchedule) -> dict[str, object]:
    ignored = {"id", "last_error", "next_run", "retry_at", "created_at"}
    return {
        field.attname: getattr(row, field.attname)
        for field in row._meta.concrete_fields
        if field.attname not in ignored
    }


def _reason(error: Exception, section: Section, declared: Declaration) -> str:
    """Return the text of `error` with the values of `section` replaced by the names of their keys.

    The text is logged and shown on pages, and a value on the wrong line may be a secret.
    """
    text = error.message if isinstance(error, OperatorError) else ""
    if isinstance(error, ValidationError):
        text = " ".join(error.messages)
    values = {value: key for key, value in [*declared.backup.items(), *section.items()]}
    # an error may quote the value with or without its quotation marks
    values |= {_unquoted(value): key for value, key in values.items()}
    for value in sorted(values.keys() - {"", *TYPES, *SETTINGS_OF}, key=len, reverse=True):
        text = text.replace(repr(value), f"its {values[value]}")
        if len(value) >= SHORTEST_SECRET:
            text = text.replace(value, f"its {values[value]}")
    return as_text(text) or "A number is expected."


def _require_text(section: Section) -> None:
    for key, value in section.items():
        if not is_text(value):
            raise BackupError(f"{key} is not UTF-8 text.")
