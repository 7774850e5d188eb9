"""What every type beyond this machine does: a subclass of `RemoteDestination` adds the steps of its protocol.

`steps` are what a type implements, `calls` runs one of them, `uploads` has their order, `destination` the rest.
A server that keeps files by their paths is a `FolderDestination` with a `RemoteFolder`, which implement the steps.
"""

from destinations.backends.remote.certificate_pin import CertificatePin
from destinations.backends.remote.destination import RemoteDestination, is_listed
from destinations.backends.remote.folder import Alive, Entry, RemoteFolder
from destinations.backends.remote.folder_destination import FolderDestination
from destinations.backends.remote.steps import Write
from destinations.transfer.blocks import BLOCK_SIZE

__all__ = [
    "BLOCK_SIZE",
    "Alive",
    "CertificatePin",
    "Entry",
    "FolderDestination",
    "RemoteDestination",
    "RemoteFolder",
    "Write",
    "is_listed",
]
