"""The type `gcs`: buckets of Google Cloud Storage."""

from destinations.backends.gcs.destination import GcsDestination

__all__ = ["GcsDestination"]
