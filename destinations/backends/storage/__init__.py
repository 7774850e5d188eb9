"""A Django storage."""

from destinations.backends.storage.destination import StorageDestination

__all__ = ["StorageDestination"]
