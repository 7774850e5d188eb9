"""Which destinations are meant: all of them, those that take backups, and deleted ones too."""

from typing import TYPE_CHECKING, Self

from django.db import models

if TYPE_CHECKING:
    from destinations.models.destination import BackupDestination


class DestinationQuerySet(models.QuerySet["BackupDestination"]):
    def enabled(self) -> Self:
        """Return those that take new backups."""
        return self.filter(enabled=True)


_Manager = models.Manager.from_queryset(DestinationQuerySet)


class DestinationManager(_Manager["BackupDestination"]):
    """Leaves out the deleted ones, which only the history of backups refers to."""

    def get_queryset(self) -> DestinationQuerySet:
        return DestinationQuerySet(self.model, using=self._db).filter(removed_at=None)
