"""Rows that a configuration declared once and declares no more: disabled, never deleted."""

import logging
from collections.abc import Container

from django.db import transaction

from backups.instances import inventory
from backups.lib import audit
from backups.models import BackupSchedule, InstanceState
from destinations.models import BackupDestination

MANAGED_BY = "configuration of "


def managed_by(instance: str) -> str:
    """Return what stands in `managed_by` of the rows that `instance` declares."""
    return f"{MANAGED_BY}{instance}"


def disable_others(mine: str, *, schedules: Container[str] = (), destinations: Container[str] = ()) -> list[str]:
    """Disable what is managed by `mine` and has another name than these; return what was disabled.

    A section that is there but wrong has its name among them: it does not count as gone.
    """
    disabled = []
    for schedule in BackupSchedule.objects.enabled().filter(managed_by=mine):
        if schedule.name not in schedules:
            schedule.enabled, schedule.next_run, schedule.retry_at = False, None, None
            schedule.save(update_fields=["enabled", "next_run", "retry_at"])
            disabled.append(f"schedule {schedule.name}")
    for destination in BackupDestination.objects.enabled().filter(managed_by=mine):
        if destination.name not in destinations:
            destination.enabled = False
            destination.save(update_fields=["enabled"])
            disabled.append(f"destination {destination.name}")
    return disabled


def disable_gone() -> list[str]:
    """Disable what instances declared that are in instances.toml no more; return what was disabled.

    Nothing is done while that file cannot be read, nor to an instance that is described wrongly.
    """
    known = inventory()
    if any(not problem.instance for problem in known.problems):
        return []
    described = {managed_by(name) for name in known.instances} | {managed_by(one.instance) for one in known.problems}
    managers = {
        manager
        for rows in (BackupSchedule.objects.enabled(), BackupDestination.objects.enabled())
        for manager in rows.filter(managed_by__startswith=MANAGED_BY).values_list("managed_by", flat=True).distinct()
    }
    return [row for manager in sorted(managers - described) for row in _disable(manager)]


def _disable(manager: str) -> list[str]:
    name = manager.removeprefix(MANAGED_BY)
    with transaction.atomic():
        disabled = disable_others(manager)
        # when it comes back, it is read as if for the first time
        InstanceState.objects.filter(instance=name).update(config_hash="")
    audit.log("config.gone", logging.WARNING, instance=name, disabled=",".join(disabled))
    return disabled
