"""Sync the destinations and schedules that a service declares in its configuration into managed rows.

The format of the declaration is in `backups.instances.declaration`, its reading in `declared.py`.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field

from django.core.exceptions import ValidationError
from django.db import transaction

from backups.errors import BackupError
from backups.instances import Instance, get_instance
from backups.instances.declaration import Declaration, declaration_of
from backups.instances.kinds.layers import Section
from backups.lib import audit
from backups.models import BackupSchedule, InstanceState
from backups.runs.claim import lock_instance
from backups.service.automation.cleanup import disable_undeclared, managed_by
from backups.service.automation.declared import destination_names, fill_destination, fill_schedule, reason_of
from backups.service.automation.declared_keys import unknown_keys
from backups.service.retention.rule_change import keep_rule_as_confirmed, settle_rule
from backups.service.schedules.planning import PLANNED_BY, count_from_now, plan, set_further
from destinations.lib.operator_error import OperatorError, sentences
from destinations.models import BackupDestination


@dataclass(slots=True)
class Synced:
    """The rows that a sync changed and disabled, and the problems and notes, by section.

    `pending` names destinations whose new rule would delete more than the one before: an operator has to confirm it.
    """

    changed: list[str] = field(default_factory=list)
    disabled: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    pending: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def sync(name: str) -> Synced:
    """Create and update the managed rows of instance `name` as it declares them; disable its other managed rows.

    A section with errors is a problem in the result and leaves its row as it was. Raises InstanceError or
    ComponentError when the configuration as a whole cannot be read.
    """
    instance = get_instance(name)
    declared = declaration_of(instance)
    problems, notes = unknown_keys(declared)
    synced = Synced(problems=problems, notes=notes)
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
        row.managed_by = managed_by(instance.name)
        fill_destination(row, key, declared)
        row.full_clean()
    except (OperatorError, ValidationError, ValueError) as error:
        synced.problems.append(f"{where}: {reason_of(error, section, declared)}")
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


def _schedule(
    instance: Instance,
    key: str,
    section: Section,
    targets: Mapping[str, BackupDestination],
    declared: Declaration,
    synced: Synced,
) -> None:
    where = f"[backup.schedules.{key}]"
    existing = BackupSchedule.objects.whole().select_for_update().filter(name=row_name(instance, key)).first()
    if existing is not None and existing.managed_by != managed_by(instance.name):
        synced.problems.append(f"{where}: A schedule {existing.name} exists already, and was added by hand.")
        return
    row = existing or BackupSchedule(name=row_name(instance, key), created_by=managed_by(instance.name))
    before = _values(row)
    try:
        first, *further = _targets(section, targets, declared)
        row.destination = first
        row.instance, row.managed_by = instance.name, managed_by(instance.name)
        fill_schedule(row, key, declared)
        row.clean_fields()
        if _values(row) != before:
            if any(before[name] != getattr(row, name) for name in PLANNED_BY):
                count_from_now(row, before)
            plan(row)
            synced.changed.append(f"schedule {row.name}")
        name = f"schedule {row.name}"
        if set_further(row, further) and name not in synced.changed:
            synced.changed.append(name)
    except (OperatorError, ValidationError, ValueError) as error:
        synced.problems.append(f"{where}: {reason_of(error, section, declared)}")


def _targets(
    section: Section, targets: Mapping[str, BackupDestination], declared: Declaration
) -> list[BackupDestination]:
    """Return the destinations of a declared schedule, in order. Raises BackupError for one that cannot be used."""
    found = []
    # without the key the name is empty, and there is no such destination
    for wanted in destination_names(section) or [""]:
        if wanted in declared.destinations and wanted not in targets:
            raise BackupError("Its destination has configuration errors.")
        # a declared destination, or else one that was added by hand
        destination = targets.get(wanted) or BackupDestination.objects.filter(name=wanted).first()
        if destination is None:
            raise BackupError("Its destination does not exist.", hint="Declare it, or add it with `adddestination`.")
        found.append(destination)
    return found


def _values(row: BackupDestination | BackupSchedule) -> dict[str, object]:
    ignored = {"id", "last_error", "next_run", "retry_at", "created_at"}
    return {
        field.attname: getattr(row, field.attname)
        for field in row._meta.concrete_fields
        if field.attname not in ignored
    }
