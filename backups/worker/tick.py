"""What django-q2's scheduler is to call: one tick a minute for each queue."""

from datetime import timedelta
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.db.models.signals import post_migrate
from django.dispatch import receiver

from backups.worker.q2.scheduler import Entry, keep

TICK = "backups.worker.housekeeping.tick"


def keep_tick(queue: str) -> bool:
    """See to it that exactly one row calls the tick of `queue` each minute; True when something was repaired."""
    entry = Entry(name=f"backupsite tick {queue}", queue=queue, task=TICK, cron="* * * * *", args=(queue,))
    return keep(entry, latest=timedelta(minutes=2))


@receiver(post_migrate, dispatch_uid="backups.worker.tick")
def ensure_tick(sender: AppConfig, **_: Any) -> None:
    if sender.name == "backups":
        keep_tick(settings.BACKUP_QUEUE)
