"""The registry: a new type is one new file and one line here."""

from collections.abc import Mapping

from destinations.backends.azure import AzureDestination
from destinations.backends.base import Destination, StoredFile, TestStep
from destinations.backends.dropbox import DropboxDestination
from destinations.backends.ftp import FtpDestination
from destinations.backends.gcs import GcsDestination
from destinations.backends.local import LocalDestination
from destinations.backends.rclone import RcloneDestination
from destinations.backends.s3 import S3Destination
from destinations.backends.sftp import SftpDestination
from destinations.backends.storage import StorageDestination
from destinations.backends.webdav import WebdavDestination
from destinations.exceptions import DestinationConfigError

__all__ = ["TYPES", "Destination", "StoredFile", "TestStep", "create_destination", "destination_class", "type_choices"]

# in the order of the page on which one is chosen
TYPES: dict[str, type[Destination]] = {
    "local": LocalDestination,
    "sftp": SftpDestination,
    "ftp": FtpDestination,
    "webdav": WebdavDestination,
    "s3": S3Destination,
    "azure": AzureDestination,
    "gcs": GcsDestination,
    "dropbox": DropboxDestination,
    "rclone": RcloneDestination,
    "storage": StorageDestination,
}


def type_choices() -> list[tuple[str, str]]:
    return [(name, backend.label) for name, backend in TYPES.items()]


def destination_class(type: str) -> type[Destination]:
    """Raises `DestinationConfigError` for an unknown type."""
    try:
        return TYPES[type]
    except KeyError:
        raise DestinationConfigError(
            f"There is no destination type {type!r}.", f"The types are: {', '.join(TYPES)}.", "type"
        ) from None


def create_destination(type: str, config: Mapping[str, object], *, established: bool = False) -> Destination:
    """Open a destination from options in plain text (see `Destination`).

    Raises `DestinationConfigError` for an unknown type, for an unknown, missing or wrong option, and where a package is
    missing that the type needs.
    """
    backend = destination_class(type)
    if backend.extra is not None:
        backend.extra.require()
    return backend(config, established=established)
