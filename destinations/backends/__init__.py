"""The registry: a new type is one new file and one line here."""

from collections.abc import Mapping, MutableMapping

from destinations.backends.base import Destination, StoredFile, TestStep
from destinations.exceptions import DestinationConfigError
from destinations.lib.later import LaterMapping

__all__ = ["TYPES", "Destination", "StoredFile", "TestStep", "create_destination", "destination_class", "type_choices"]

# in the order of the page on which one is chosen
TYPES: MutableMapping[str, type[Destination]] = LaterMapping(
    local="destinations.backends.local.LocalDestination",
    sftp="destinations.backends.sftp.SftpDestination",
    ftp="destinations.backends.ftp.FtpDestination",
    webdav="destinations.backends.webdav.WebdavDestination",
    s3="destinations.backends.s3.S3Destination",
    azure="destinations.backends.azure.AzureDestination",
    gcs="destinations.backends.gcs.GcsDestination",
    dropbox="destinations.backends.dropbox.DropboxDestination",
    rclone="destinations.backends.rclone.RcloneDestination",
    storage="destinations.backends.storage.StorageDestination",
)


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
