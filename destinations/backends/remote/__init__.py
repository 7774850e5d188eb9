"""What every type beyond this machine does: a subclass of `RemoteDestination` adds the steps of its protocol.

`steps` are what a type implements, `calls` runs one of them, `uploads` has their order, `destination` the rest.
"""

from destinations.backends.remote.destination import RemoteDestination, is_listed
from destinations.backends.remote.steps import Write
from destinations.transfer.blocks import BLOCK_SIZE

__all__ = ["BLOCK_SIZE", "RemoteDestination", "Write", "is_listed"]
