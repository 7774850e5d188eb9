"""Schedules: when backups are started, and the result of the last one."""

from typing import ClassVar

from django.core.validators import RegexValidator
from django.db import models
from django.db.models.functions import Now
from django.utils import timezone

from backups.models.querysets import ScheduleQuerySet
from backups.models.run import new_id
from destinations.models import BackupDestination


class BackupSchedule(models.Model):
    class Type(models.TextChoices):
        CRON = "cron"
        INTERVAL = "interval"
        MANUAL = "manual"
        CUSTOM = "custom"

    id = models.TextField(primary_key=True, default=new_id, editable=False)
    name = models.CharField(
        max_length=64,
        unique=True,
        validators=[RegexValidator(r"^[A-Za-z0-9_.-]+\Z", "Use letters, digits, '_', '-' and '.'.")],
    )
    instance = models.CharField(max_length=64)
    destination = models.ForeignKey(BackupDestination, on_delete=models.PROTECT, related_name="schedules")
    type = models.CharField(max_length=16, choices=Type, default=Type.CRON)
    expression = models.CharField(
        max_length=128, blank=True, help_text="Cron: 0 2 * * *. Interval: hours:24, minutes:15, days:1."
    )
    time_zone = models.CharField(max_length=64, default="UTC", help_text="Of the wall clock that cron follows.")
    enabled = models.BooleanField(default=True, help_text="A paused schedule keeps its place and runs nothing.")
    next_run = models.DateTimeField(null=True, blank=True, editable=False)
    last_run = models.DateTimeField(null=True, blank=True, editable=False)
    last_status = models.CharField(max_length=16, blank=True, editable=False)
    last_error = models.TextField(blank=True, db_default="", default="", editable=False)
    consecutive_failures = models.PositiveIntegerField(default=0, editable=False)
    retry_at = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    # since when it runs by itself with this cadence: slots before that were not missed
    active_since = models.DateTimeField(db_default=Now(), default=timezone.now, editable=False)
    # active_since is a change of the cadence, and the one before was kept until then
    cadence_changed = models.BooleanField(default=False, db_default=False, editable=False)
    created_by = models.CharField(max_length=150, blank=True, editable=False)
    managed_by = models.CharField(
        max_length=128, blank=True, editable=False, help_text="the configuration that declares it; then read-only here"
    )

    objects = ScheduleQuerySet.as_manager()

    class Meta:
        db_table = "backup_schedules"
        verbose_name = "schedule"
        ordering: ClassVar = ["name"]
        permissions: ClassVar = [("run_schedule", "Can run, pause and resume schedules")]
        constraints: ClassVar = [
            models.CheckConstraint(condition=~models.Q(name=""), name="schedule_has_a_name"),
            models.CheckConstraint(
                condition=models.Q(type="manual") | ~models.Q(expression=""), name="schedule_has_an_expression"
            ),
        ]
        indexes: ClassVar = [models.Index(fields=["enabled", "next_run"], name="schedule_due")]

    def __str__(self) -> str:
        return self.name

    @property
    def destinations(self) -> list[BackupDestination]:
        """The destinations in their order, the first one too."""
        further = [row.destination for row in self.further.all()] if self.pk else []
        return [self.destination, *(one for one in further if one.pk != self.destination_id)]


class ScheduleDestination(models.Model):
    """A destination that a schedule backs up to beside its first one."""

    schedule = models.ForeignKey(BackupSchedule, on_delete=models.CASCADE, related_name="further", db_index=False)
    destination = models.ForeignKey(BackupDestination, on_delete=models.PROTECT, related_name="further_schedules")
    position = models.PositiveSmallIntegerField()

    class Meta:
        db_table = "backup_schedule_destinations"
        verbose_name = "further destination of a schedule"
        verbose_name_plural = "further destinations of schedules"
        ordering: ClassVar = ["position", "pk"]
        default_permissions = ()
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["schedule", "destination"], name="one_further_destination_per_schedule"),
        ]

    def __str__(self) -> str:
        return f"{self.schedule} to {self.destination}"
