"""Leases on archives: an archive that a process reads at its destination is not deleted meanwhile."""

from typing import ClassVar

from django.db import models

from backups.models.backup import BackupExecution


class ArchiveUse(models.Model):
    execution = models.ForeignKey(BackupExecution, on_delete=models.CASCADE, related_name="uses")
    worker = models.CharField(max_length=255, help_text="host:pid of the process that reads it")
    process = models.CharField(
        max_length=128, blank=True, db_default="", help_text="identity of the process that reads it"
    )
    since = models.DateTimeField()

    class Meta:
        db_table = "backup_archive_uses"
        default_permissions = ()
        indexes: ClassVar = [models.Index(fields=["since"], name="archive_use_since")]

    def __str__(self) -> str:
        return f"{self.execution_id} by {self.worker}"
