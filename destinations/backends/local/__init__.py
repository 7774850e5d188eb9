"""A folder on this machine, or a mounted share, below `settings.BACKUP_ROOT`."""

from destinations.backends.local.destination import LocalDestination
from destinations.backends.local.root import segments_below_root

__all__ = ["LocalDestination", "segments_below_root"]
