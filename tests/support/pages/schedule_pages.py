"""Schedules as the form leaves them, and their pages."""

from datetime import timedelta
from typing import Any

from django.urls import reverse
from django.utils import timezone

from backups.models import BackupSchedule
from backups.service.schedules.planning import plan
from tests.support.rows import a_destination

LIST = "/admin/backups/backupschedule/"
ADD, PREVIEW = f"{LIST}add/", f"{LIST}preview/"
SEE, EDIT, RUN = "view_backupschedule", "change_backupschedule", "run_schedule"


def url(row: BackupSchedule, action: str = "change") -> str:
    return reverse(f"admin:backups_backupschedule_{action}", args=[row.pk])


def a_schedule(name: str = "nightly", **fields: Any) -> BackupSchedule:
    values = {"instance": "shop", "expression": "0 2 * * *", "time_zone": "Europe/Berlin", **fields}
    values = {"active_since": timezone.now() - timedelta(days=90), **values}
    row = BackupSchedule(name=name, destination=values.pop("destination", None) or a_destination(), **values)
    plan(row)
    return row


def typed(**fields: str) -> dict[str, str]:
    """Return what the form sends."""
    values = {"name": "nightly", "instance": "shop", "type": "cron", "expression": "0 2 * * *", "time_zone": "UTC"}
    return values | {"destination": a_destination().pk} | fields
