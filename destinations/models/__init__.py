"""Destinations and what is known of them."""

from destinations.models.destination import BackupDestination, new_id
from destinations.models.destination_reading import DestinationReading, Reading, read_today, read_today_of
from destinations.models.destination_test import DestinationTest
from destinations.models.querysets import DestinationQuerySet

__all__ = [
    "BackupDestination",
    "DestinationQuerySet",
    "DestinationReading",
    "DestinationTest",
    "Reading",
    "new_id",
    "read_today",
    "read_today_of",
]
