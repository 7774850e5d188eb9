"""Disable the schedules and destinations that a configuration does not declare any more. They are never deleted."""

import logging
from collections.abc import Container

from django.db import transaction

from backups.instances import inventory, is_settled
from backups.lib import audit
from backups.models import BackupSchedule, InstanceState
from destinations.models import BackupDestination

MANAGED_BY = "configuration of "


def managed_by(instance: str) -> str:
    """Return the value of `managed_by` in the rows that `instance` declares."""
    return f"{MANAGED_BY}{instance}"


def disable_undeclared(manager: str, *, schedules: Container[str] = (), destinations: Container[str] = ()) -> list[str]:
    """Disable the rows managed by `manager` whose names are not among those declared; return what was disabled.

    A section with errors is still declared: its name has to be among them.
    """
    disabled = []
    for schedule in BackupSchedule.objects.enabled().filter(managed_by=manager):
        if schedule.name not in schedules:
            schedule.enabled, schedule.next_run, schedule.retry_at = False, None, None
            schedule.save(update_fields=["enabled", "next_run", "retry_at"])
            disabled.append(f"schedule {schedule.name}")
    for destination in BackupDestination.objects.enabled().filter(managed_by=manager):
        if destination.name not in destinations:
            destination.enabled = False
            destination.save(update_fields=["enabled"])
            disabled.append(f"destination {destination.name}")
    return disabled


def disable_removed_instances() -> list[str]:
    """Disable the rows declared by instances that were removed from instances.toml; return what was disabled."""
    # before the file is looked at: it may begin to be written in between
    known = inventory()
    # a file that cannot be read, or is being written, lacks instances, which does not mean that they were removed
    if not is_settled():
        return []
    # an instance with configuration errors was not removed either
    described = {managed_by(name) for name in known.instances} | {managed_by(one.instance) for one in known.problems}
    managers = {
        manager
        for rows in (BackupSchedule.objects.enabled(), BackupDestination.objects.enabled())
        for manager in rows.filter(managed_by__startswith=MANAGED_BY).values_list("managed_by", flat=True).distinct()
    }
    disabled = []
    for manager in sorted(managers - described):
        name = manager.removeprefix(MANAGED_BY)
        with transaction.atomic():
            rows = disable_undeclared(manager)
            # when the instance is added again, its configuration counts as changed, and is synced
            InstanceState.objects.filter(instance=name).update(config_hash="")
        audit.log("config.removed", logging.WARNING, instance=name, disabled=",".join(rows))
        disabled += rows
    return disabled
