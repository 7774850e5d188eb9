"""A container of Azure Blob Storage."""

from destinations.backends.azure.destination import AzureDestination

__all__ = ["AzureDestination"]
