"""Partial uploads at a destination that belong to no backup of this site, and when each was first seen."""

from typing import ClassVar

from django.db import models

from destinations.models import BackupDestination


class LeftoverPart(models.Model):
    destination = models.ForeignKey(BackupDestination, on_delete=models.CASCADE, related_name="+")
    path = models.CharField(max_length=768)
    size_bytes = models.BigIntegerField()
    first_seen_at = models.DateTimeField(help_text="when it was first seen with this size, by the clock of this site")

    class Meta:
        db_table = "backup_leftover_parts"
        default_permissions = ()
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["destination", "path"], name="one_leftover_per_path"),
        ]

    def __str__(self) -> str:
        return self.path
