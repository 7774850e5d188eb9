"""Destinations and what is known of them."""

from destinations.models.destination import BackupDestination, new_id
from destinations.models.destination_test import DestinationTest
from destinations.models.querysets import DestinationQuerySet

__all__ = ["BackupDestination", "DestinationQuerySet", "DestinationTest", "new_id"]
