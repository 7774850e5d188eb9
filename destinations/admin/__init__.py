"""Pages of destinations. Django imports this module to register them."""

from destinations.admin.destination import BackupDestinationAdmin

__all__ = ["BackupDestinationAdmin"]
