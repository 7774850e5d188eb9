"""Results of key checks: do the available keys still open the backups at a destination? And what signed them."""

from typing import ClassVar

from django.db import models

from destinations.models import BackupDestination


class KeyCheck(models.Model):
    """The latest key check of a destination; `problem` stays until a later check has a result."""

    destination = models.OneToOneField(
        BackupDestination, primary_key=True, on_delete=models.CASCADE, related_name="key_check"
    )
    next_at = models.DateTimeField(help_text="when the keys are tried again")
    checked_at = models.DateTimeField(null=True, help_text="when they were tried; empty when never")
    told_at = models.DateTimeField(null=True, help_text="when a problem was last logged and signalled")
    outcome = models.TextField(blank=True, help_text="what came of the latest attempt, for people")
    problem = models.TextField(blank=True, help_text="which archive no key opens any more; empty when all is well")
    hint = models.TextField(blank=True)

    class Meta:
        db_table = "backup_key_checks"
        default_permissions = ()
        ordering: ClassVar = ["destination__name"]

    def __str__(self) -> str:
        return self.problem or f"keys for {self.destination_id} checked"


class SigningKeyUse(models.Model):
    """A key that signed archives of this site: one that is gone would be replaced by a new one without a word."""

    public_key = models.CharField(max_length=100, primary_key=True, help_text="as `minisign -P` takes it")
    last_used_at = models.DateTimeField()

    class Meta:
        db_table = "backup_signing_key_uses"
        default_permissions = ()

    def __str__(self) -> str:
        return self.public_key
