"""Heartbeats of workers and schedulers, read by pages, checks and other hosts."""

from typing import ClassVar

from django.db import models


class Heartbeat(models.Model):
    """One row for each worker, and one for the scheduler of each queue."""

    class Kind(models.TextChoices):
        WORKER = "worker"
        SCHEDULER = "scheduler"

    name = models.CharField(max_length=255, primary_key=True)
    kind = models.CharField(max_length=16, choices=Kind)
    queue = models.CharField(max_length=64)
    host = models.CharField(max_length=255)
    pid = models.PositiveIntegerField()
    process = models.CharField(max_length=128, blank=True, db_default="", help_text="identity of its process")
    started_at = models.DateTimeField()
    beat_at = models.DateTimeField()
    stopped_at = models.DateTimeField(null=True, blank=True, help_text="when it was shut down")
    problem = models.TextField(blank=True, help_text="the error in its latest round")
    # a database default: a worker of an earlier release writes rows without it
    key_fingerprint = models.CharField(
        max_length=16, blank=True, db_default="", help_text="of its SECRET_KEY, which signs the messages of the queue"
    )

    class Meta:
        db_table = "backup_heartbeats"
        default_permissions = ()
        ordering: ClassVar = ["kind", "queue", "name"]

    def __str__(self) -> str:
        return self.name
