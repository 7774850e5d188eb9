"""Whether archives at a destination are encrypted: the column, and its default by type."""

from typing import Any

from django.db import models
from django.db.models import CheckConstraint, Q

from destinations.backends import destination_class
from destinations.exceptions import DestinationConfigError


class Policy(models.TextChoices):
    REQUIRED = "required", "Required: without a key the backup fails"
    ALLOWED = "allowed", "Allowed: encrypted where a key is configured"
    OFF = "off", "Off: never encrypted"

    __empty__ = "as is usual for the type"


class EncryptionField(models.Model):
    """Inherited by BackupDestination."""

    type: "models.CharField[Any, str]"
    encryption = models.CharField(
        max_length=16,
        choices=Policy,
        blank=True,
        default="",
        help_text="Usual is: required where archives leave this machine, allowed for a local folder.",
    )

    class Meta:
        abstract = True

    @property
    def policy(self) -> Policy:
        """The chosen policy, or the default of the type; required for a type that is unknown."""
        if self.encryption:
            return Policy(self.encryption)
        try:
            off_box = destination_class(self.type).off_box
        except DestinationConfigError:
            # the safe one: where its archives go is unknown
            return Policy.REQUIRED
        return Policy.REQUIRED if off_box else Policy.ALLOWED


def encryption_constraint() -> CheckConstraint:
    return CheckConstraint(
        condition=Q(encryption__in=["", *(policy.value for policy in Policy)]), name="backup_destination_encryption"
    )
