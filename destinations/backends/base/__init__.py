"""The interface of a place for archives. A new type is one subclass of `Destination`."""

from destinations.backends.base.destination import Destination
from destinations.backends.base.records import PeerKey, Step, StoredFile, TestStep, UploadState
from destinations.backends.base.trial import TEST_PREFIX
from destinations.transfer.blocks import BLOCK_SIZE, Progress
from destinations.transfer.paths import part_name, part_token, validate_path, validate_prefix

__all__ = [
    "BLOCK_SIZE",
    "TEST_PREFIX",
    "Destination",
    "PeerKey",
    "Progress",
    "Step",
    "StoredFile",
    "TestStep",
    "UploadState",
    "part_name",
    "part_token",
    "validate_path",
    "validate_prefix",
]
