"""Copying an archive from one destination to another: to make up for a copy that is missing, or to repair one."""

from typing import ClassVar

from django.db import models

from backups.models.copy import BackupCopy
from backups.models.querysets import CopyingQuerySet
from backups.models.run import Run


class CopyExecution(Run):
    """One attempt to bring the archive of a backup to the destination of `copy`, from a sound copy of it."""

    noun = "copy"
    # the archive is read where it lies: backups and restores of the instance go on
    needs_instance = False

    class Stage(models.TextChoices):
        WAITING = "waiting"
        FETCHING = "fetching"
        UPLOADING = "uploading"
        RECORDING = "recording"
        DONE = "done"

    shares: ClassVar = {
        Stage.WAITING: (0, 0),
        Stage.FETCHING: (0, 45),
        Stage.UPLOADING: (45, 99),
        Stage.RECORDING: (99, 100),
        Stage.DONE: (100, 100),
    }

    stage = models.CharField(max_length=16, choices=Stage, default=Stage.WAITING)
    copy = models.ForeignKey(BackupCopy, on_delete=models.CASCADE, related_name="runs", db_index=False)
    source = models.CharField(max_length=64, blank=True, help_text="destination from which the archive was read")

    objects = CopyingQuerySet.as_manager()  # type: ignore[misc]  # the plugin makes that of Run a class variable

    class Meta(Run.Meta):
        abstract = False
        db_table = "copy_executions"
        verbose_name = "copy"
        verbose_name_plural = "copies"
        ordering: ClassVar = ["-created_at", "-id"]
        # the permission to view a backup includes them
        default_permissions = ()
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["copy"],
                condition=models.Q(status__in=["queued", "running"]),
                name="one_active_run_per_copy",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["copy", "-created_at"], name="copying_of"),
            models.Index(fields=["-created_at", "-id"], name="copying_newest"),
            models.Index(fields=["status", "-created_at", "-id"], name="copying_status"),
            models.Index(fields=["instance", "-created_at", "-id"], name="copying_instance"),
        ]

    def __str__(self) -> str:
        return f"copy of {self.copy}"

    def log_fields(self) -> dict[str, object]:
        return {"backup": self.copy.execution_id, "destination": self.copy.destination.name, "source": self.source}
