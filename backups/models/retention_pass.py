"""The daily pass of retention at each destination: when it is due, and what it did."""

from typing import ClassVar

from django.db import models

from destinations.models import BackupDestination


class RetentionPass(models.Model):
    """The latest daily pass of a destination; `problem` stays until a later pass went without one."""

    destination = models.OneToOneField(
        BackupDestination, primary_key=True, on_delete=models.CASCADE, related_name="retention_pass"
    )
    next_at = models.DateTimeField(help_text="when the next pass is due")
    done_at = models.DateTimeField(null=True, help_text="when a pass last came to its end")
    outcome = models.TextField(blank=True, help_text="what the latest pass did, in words")
    problem = models.TextField(blank=True, help_text="what it could not do; empty if there is nothing")

    class Meta:
        db_table = "backup_retention_passes"
        default_permissions = ()
        ordering: ClassVar = ["destination__name"]

    def __str__(self) -> str:
        return self.problem or self.outcome or f"retention of {self.destination_id}"
