"""Destinations and what is known of them."""

from destinations.models.destination import BackupDestination, DestinationQuerySet, new_id
from destinations.models.destination_test import DestinationTest

__all__ = ["BackupDestination", "DestinationQuerySet", "DestinationTest", "new_id"]
