"""Schedules: when backups are started, and the result of the last one."""

from collections.abc import Collection
from typing import Any, ClassVar, Self

from django.core.validators import RegexValidator
from django.db import models
from django.db.models.functions import Now
from django.utils import timezone

from backups.models.columns import Json
from backups.models.querysets import ScheduleQuerySet
from backups.models.run import new_id, row_of
from destinations.models import BackupDestination


class BackupSchedule(models.Model):
    """A schedule of one instance, with its slots; or one that covers several, with a part for each of them.

    A part is a row of one instance too, so that whatever is about slots, failures and freshness sees rows of one
    instance only. It repeats the name, the cadence and the destinations of its `parent`, which has no slots itself.
    """

    class Type(models.TextChoices):
        CRON = "cron"
        INTERVAL = "interval"
        MANUAL = "manual"
        CUSTOM = "custom"

    class Scope(models.TextChoices):
        INSTANCE = "instance", "One instance"
        INSTANCES = "instances", "Several instances"
        LABEL = "label", "All instances with a label"
        ALL = "all", "All instances"

    id = models.TextField(primary_key=True, default=new_id, editable=False)
    name = models.CharField(
        max_length=64, validators=[RegexValidator(r"^[A-Za-z0-9_.-]+\Z", "Use letters, digits, '_', '-' and '.'.")]
    )
    scope = models.CharField("backs up", max_length=16, choices=Scope, default=Scope.INSTANCE, db_default="instance")
    instance = models.CharField(max_length=64, blank=True)
    instances: "Json[list[str] | None]" = models.JSONField(
        null=True, blank=True, help_text="the names, where it is for several instances"
    )
    label = models.CharField(
        max_length=64, blank=True, db_default="", default="", help_text="A label of the instances file."
    )
    parent = models.ForeignKey(
        "self", null=True, blank=True, editable=False, on_delete=models.CASCADE, related_name="parts", db_index=False
    )
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
    # of a part: paused for its instance alone, and since when its instance is no longer covered
    paused_here = models.BooleanField(default=False, db_default=False, editable=False)
    left_at = models.DateTimeField(null=True, blank=True, editable=False)
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
            models.CheckConstraint(
                condition=(models.Q(scope="instance") & ~models.Q(instance=""))
                | (~models.Q(scope="instance") & models.Q(instance="", parent=None)),
                name="schedule_has_instances",
            ),
            models.UniqueConstraint(fields=["name"], condition=models.Q(parent=None), name="one_schedule_of_a_name"),
            # with the constraint on schedule, slot and attempt: one run for each schedule, instance and slot
            models.UniqueConstraint(
                fields=["parent", "instance"], condition=models.Q(parent__isnull=False), name="one_part_per_instance"
            ),
        ]
        indexes: ClassVar = [models.Index(fields=["enabled", "next_run"], name="schedule_due")]

    def __str__(self) -> str:
        return self.name

    @classmethod
    def from_db(  # type: ignore[override]  # the stubs are of a later Django
        cls, db: str | None, field_names: Collection[str], values: Collection[Any]
    ) -> Self:
        return row_of(cls, db, field_names, values)

    @property
    def is_part(self) -> bool:
        return self.parent_id is not None

    @property
    def covers_several(self) -> bool:
        """True for one of several instances, which has no slots itself, however many there are at the moment."""
        return self.scope != self.Scope.INSTANCE

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
