"""Notices: what persons are notified of, and the messages that carry them."""

from typing import Any, ClassVar

from django.db import models
from django.db.models import Q

from backups.models.columns import Json
from backups.models.notification_channel import NotificationChannel
from backups.models.run import new_id

MOMENTARY, OPEN = Q(momentary=True), Q(ended_at=None)


class Notice(models.Model):
    """A cause of trouble from its begin to its end, or with `momentary` something that happened at one moment.

    Instance, code and subject identify a cause: there is one open notice for each.
    """

    class Level(models.TextChoices):
        ALARM = "alarm"
        WARNING = "warning"
        INFORMATION = "information"

    id = models.TextField(primary_key=True, default=new_id, editable=False)
    instance = models.CharField(max_length=64, blank=True, help_text="empty for what is about the site")
    code = models.CharField(max_length=64)
    subject = models.CharField(max_length=255, blank=True)
    event = models.CharField(max_length=32)
    level = models.CharField(max_length=16, choices=Level)
    text = models.TextField()
    hint = models.TextField(blank=True)
    page = models.CharField(
        max_length=255, blank=True, help_text="address of the page about it, below that of the site"
    )
    momentary = models.BooleanField(default=False)
    schedule = models.CharField(max_length=64, blank=True, help_text="id of the schedule that started the run")
    since = models.DateTimeField(help_text="when it began, as far as is known")
    opened_at = models.DateTimeField()
    seen_at = models.DateTimeField(help_text="when it was last found to be so")
    announced_at = models.DateTimeField(null=True, help_text="when a message about its begin was queued")
    reminded_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    ending = models.TextField(blank=True, help_text="how it ended")
    end_announced_at = models.DateTimeField(null=True, help_text="when a message about its end was queued")
    acknowledged_at = models.DateTimeField(null=True)
    acknowledged_by = models.CharField(max_length=150, blank=True)

    class Meta:
        db_table = "backup_notices"
        ordering: ClassVar = ["-opened_at", "-id"]
        default_permissions = ("view",)
        permissions: ClassVar = [("acknowledge_notice", "Can acknowledge notices")]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["instance", "code", "subject"], condition=OPEN & ~MOMENTARY, name="one_open_notice_per_cause"
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["-opened_at", "-id"], name="notice_newest"),
            models.Index(fields=["opened_at", "id"], condition=Q(announced_at=None), name="notice_unannounced"),
            models.Index(fields=["ended_at"], condition=Q(end_announced_at=None), name="notice_end_unannounced"),
            models.Index(fields=["instance", "-opened_at"], name="notice_instance"),
        ]

    def __str__(self) -> str:
        return f"{self.event} {self.instance}".strip()

    @property
    def is_open(self) -> bool:
        return self.ended_at is None and not self.momentary


class Delivery(models.Model):
    """One message by one channel. It is tried again until it arrives or is given up; `done` has who got it already."""

    class Kind(models.TextChoices):
        MESSAGE = "message"
        DIGEST = "digest"
        PING = "ping"
        TEST = "test"
        TEST_ALARM = "test-alarm"

    class State(models.TextChoices):
        WAITING = "waiting"
        SENT = "sent"
        GIVEN_UP = "given up"

    id = models.TextField(primary_key=True, default=new_id, editable=False)
    channel = models.ForeignKey(
        NotificationChannel, on_delete=models.CASCADE, related_name="deliveries", db_index=False
    )
    kind = models.CharField(max_length=16, choices=Kind, default=Kind.MESSAGE)
    urgent = models.BooleanField(default=False)
    items: "Json[list[dict[str, Any]]]" = models.JSONField(default=list)
    lead = models.TextField(blank=True, help_text="what stands before the items")
    state = models.CharField(max_length=16, choices=State, default=State.WAITING)
    created_at = models.DateTimeField()
    next_try_at = models.DateTimeField()
    attempts = models.PositiveIntegerField(default=0)
    claimed_until = models.DateTimeField(null=True, help_text="until then a process is sending it")
    sent_at = models.DateTimeField(null=True)
    answer = models.TextField(blank=True, help_text="what the receiver said")
    error = models.TextField(blank=True)
    error_hint = models.TextField(blank=True)
    done: "Json[list[str]]" = models.JSONField(default=list, help_text="recipients that have it already")

    class Meta:
        db_table = "backup_deliveries"
        verbose_name = "delivery"
        verbose_name_plural = "deliveries"
        ordering: ClassVar = ["-created_at", "-id"]
        default_permissions = ("view",)
        indexes: ClassVar = [
            models.Index(fields=["-created_at", "-id"], name="delivery_newest"),
            models.Index(fields=["channel", "-created_at", "-id"], name="delivery_channel"),
            models.Index(fields=["next_try_at"], condition=Q(state="waiting"), name="delivery_due"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} by {self.channel}"
