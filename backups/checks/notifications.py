"""Checks of the settings that notifications need."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning

from backups.models import NotificationChannel
from destinations.lib.migrated import may_read


def check_settings(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    """E090: the address of the site is none. E091: the time between reminders is negative. E092: of test alarms."""
    found: list[CheckMessage] = []
    parts = urlsplit(settings.BACKUP_SITE_URL)
    if settings.BACKUP_SITE_URL and not (parts.scheme in ("http", "https") and parts.hostname):
        hint = "Give the address of this site as browsers open it, such as https://backup.example.net, or leave it out."
        found.append(Error("BACKUP_SITE_URL is no URL.", hint=hint, id="backups.E090"))
    if settings.BACKUP_REMIND_HOURS < 0:
        hint = "Give the hours between two reminders of an open notice; 0 for none."
        found.append(Error("BACKUP_REMIND_HOURS is negative.", hint=hint, id="backups.E091"))
    if settings.BACKUP_TEST_ALARM_DAYS < 0:
        hint = "Give the days between two test alarms of a channel; 0 for none by itself."
        found.append(Error("BACKUP_TEST_ALARM_DAYS is negative.", hint=hint, id="backups.E092"))
    return found


def check_mail(
    app_configs: Sequence[AppConfig] | None, databases: Sequence[str] | None = None, **_: Any
) -> list[CheckMessage]:
    """W090: a channel sends mail, and there is no mail server."""
    if settings.EMAIL_HOST or not may_read(NotificationChannel, databases):
        return []
    names = NotificationChannel.objects.filter(enabled=True, kind="mail").values_list("name", flat=True)
    return [
        Warning(
            f"The channel {name} sends mail, and no mail server is set: nothing arrives.",
            hint="Set EMAIL_HOST, then run `testchannel`.",
            id="backups.W090",
        )
        for name in names
    ]
