"""Results of key checks: do the available keys still open the backups at a destination? And what signed them."""

from typing import ClassVar

from django.db import models

from backups.models.columns import Json
from destinations.models import BackupDestination


class KeyState(models.TextChoices):
    """What the last key check says of the archives of one instance at a destination."""

    OPENS = "opens"
    # what can be restored is old
    NEWEST_LOST = "newest lost"
    OLDER_LOST = "older lost"
    ELSEWHERE = "kept elsewhere"
    UNDETERMINED = "not known"


class KeyCheck(models.Model):
    """The latest key check of a destination; `problem` stays until a later check has a result."""

    destination = models.OneToOneField(
        BackupDestination, primary_key=True, on_delete=models.CASCADE, related_name="key_check"
    )
    next_at = models.DateTimeField(help_text="when the next key check is due")
    checked_at = models.DateTimeField(null=True, help_text="when the keys were last checked")
    told_at = models.DateTimeField(null=True, help_text="when a problem was last logged and sent as a signal")
    outcome = models.TextField(blank=True, help_text="result of the latest check in words")
    problem = models.TextField(blank=True, help_text="the archive that no key opens any more; empty if there is none")
    hint = models.TextField(blank=True)
    by_instance: "Json[dict[str, str] | None]" = models.JSONField(
        null=True, blank=True, help_text="by instance with encrypted archives there: its KeyState"
    )

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
