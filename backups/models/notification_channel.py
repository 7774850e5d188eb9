"""The channels that notifications go out by."""

from datetime import time
from typing import ClassVar
from zoneinfo import available_timezones

from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models
from django.utils import timezone

from backups.models.columns import Json
from backups.models.run import new_id
from backups.models.schedule import BackupSchedule


def known_time_zone(name: str) -> None:
    if name and name not in available_timezones():
        raise ValidationError(f"There is no time zone {name!r}. Give one such as Europe/Berlin, or UTC.")


class NotificationChannel(models.Model):
    """A way by which persons, or programs, are notified. Of a secret option only its sealed form is stored."""

    class Kind(models.TextChoices):
        MAIL = "mail", "Mail"
        WEBHOOK = "webhook", "Webhook: signed JSON"
        APPRISE = "apprise", "Apprise: Slack, Teams, Telegram, ntfy and a hundred more"
        PING = "ping", "Ping in the form of healthchecks.io"

    class Scope(models.TextChoices):
        SITE = "site", "Everything of this site"
        INSTANCES = "instances", "Only some instances"
        SCHEDULES = "schedules", "Only some schedules"

    class Digest(models.TextChoices):
        NONE = "", "No digest: everything is sent at once"
        DAILY = "daily", "Daily"
        WEEKLY = "weekly", "Weekly"

    class Weekday(models.IntegerChoices):
        MONDAY = 0, "Monday"
        TUESDAY = 1, "Tuesday"
        WEDNESDAY = 2, "Wednesday"
        THURSDAY = 3, "Thursday"
        FRIDAY = 4, "Friday"
        SATURDAY = 5, "Saturday"
        SUNDAY = 6, "Sunday"

    id = models.TextField(primary_key=True, default=new_id, editable=False)
    name = models.CharField(
        max_length=64,
        unique=True,
        validators=[RegexValidator(r"^[A-Za-z0-9_.-]+\Z", "Use letters, digits, '_', '-' and '.'.")],
    )
    kind = models.CharField(max_length=16, choices=Kind)
    enabled = models.BooleanField(default=True, help_text="A disabled channel sends nothing but tests.")
    config_json = models.JSONField(default=dict, blank=True, editable=False)
    scope = models.CharField(max_length=16, choices=Scope, default=Scope.SITE)
    instances: "Json[list[str]]" = models.JSONField(default=list, blank=True)
    schedules = models.ManyToManyField(BackupSchedule, blank=True, related_name="channels")
    # what is off and not what is on: an event of a later release is sent until somebody switches it off
    muted: "Json[list[str]]" = models.JSONField(
        default=list, blank=True, help_text="the events that it leaves out, each as event:level"
    )
    hide_paths = models.BooleanField(
        default=True, help_text="Leaves paths of files on the hosts out of what is sent. Switch it off for a channel "
        "that stays inside."
    )  # fmt: skip
    quiet_from = models.TimeField(
        null=True,
        blank=True,
        help_text="Begin of the quiet hours, as 22:00: what happens in them is sent at their end.",
    )
    quiet_until = models.TimeField(null=True, blank=True, help_text="End of the quiet hours, as 07:00.")
    urgent_at_once = models.BooleanField(
        "alarms at once", default=True, help_text="Alarms wait for no quiet hours and no digest."
    )
    digest = models.CharField(max_length=8, choices=Digest, default=Digest.NONE, blank=True)
    digest_at = models.TimeField("digest at", default=time(8), help_text="Time of day of the digest.")
    digest_weekday = models.PositiveSmallIntegerField(
        "day of the weekly digest", choices=Weekday, default=Weekday.MONDAY
    )
    time_zone = models.CharField(
        max_length=64,
        default="UTC",
        validators=[known_time_zone],
        help_text="Of the quiet hours, the digest and the times in the texts.",
    )
    next_digest_at = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    created_by = models.CharField(max_length=150, blank=True, editable=False)
    last_sent_at = models.DateTimeField(null=True, blank=True, editable=False)
    failing_since = models.DateTimeField(null=True, blank=True, editable=False)
    failures = models.PositiveIntegerField(default=0, editable=False, help_text="tries in a row that failed")
    retry_at = models.DateTimeField(null=True, blank=True, editable=False, help_text="nothing is sent before that")
    last_error = models.TextField(blank=True, editable=False)
    alarm_tested_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="when the last test alarm was queued"
    )
    unproven_since = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="when the first test alarm was queued that nobody confirmed"
    )
    proven_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="when a person last confirmed that a test alarm arrived"
    )
    proven_by = models.CharField(max_length=150, blank=True, db_default="", default="", editable=False)

    class Meta:
        db_table = "backup_notification_channels"
        ordering: ClassVar = ["name"]
        permissions: ClassVar = [("test_notificationchannel", "Can send a test by a notification channel")]
        constraints: ClassVar = [
            models.CheckConstraint(condition=~models.Q(name=""), name="notification_channel_has_a_name"),
        ]

    def __str__(self) -> str:
        return self.name
