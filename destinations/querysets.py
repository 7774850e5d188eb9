"""Which destinations are meant: the conditions that more than one place asks for."""

from typing import TYPE_CHECKING, Self

from django.db import models

if TYPE_CHECKING:
    from destinations.models import BackupDestination


class DestinationQuerySet(models.QuerySet["BackupDestination"]):
    def enabled(self) -> Self:
        """Return those that take new backups."""
        return self.filter(enabled=True)
