"""The configuration of a service, as it is now and as an archive has it, each part of it read once."""

from collections.abc import Callable, Collection
from functools import cached_property, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from django.conf import settings

from backups.archive.manifest.names import EXPORT_NAME
from backups.errors import ComponentError
from backups.instances.kinds.layers import Configuration, Layers, Merged, merged, no_configuration, parse_export

if TYPE_CHECKING:
    from backups.instances.kinds.base import ServiceKind

T = TypeVar("T")


def read_once(read: Callable[[Any], T]) -> "cached_property[T]":
    """Return a property that reads at the first access; later ones return the same value or raise the same error."""
    name = read.__name__

    @wraps(read)
    def read_or_raise(self: "LiveConfiguration") -> T:
        # a locked database would be waited for again at each access
        if (known := self.errors.get(name)) is not None:
            raise known
        try:
            return read(self)
        except ComponentError as error:
            self.errors[name] = error
            raise

    return cached_property(read_or_raise)


class LiveConfiguration:
    """The present configuration of a service, read once, at the first access."""

    def __init__(self, service: "ServiceKind", *, lock_timeout: float | None = None) -> None:
        self.service = service
        self.lock_timeout = settings.BACKUP_LOCK_TIMEOUT if lock_timeout is None else lock_timeout
        # by the name of the property that could not be read
        self.errors: dict[str, ComponentError] = {}

    @read_once
    def layers(self) -> Layers:
        return self.service.read_layers(self.lock_timeout)

    @cached_property
    def environment(self) -> Configuration:
        return self.service.read_environment()

    @cached_property
    def below(self) -> Configuration:
        """Return what lies below the layers, which no restore changes."""
        return merged({"environment": self.environment}, below=self.service.defaults)

    @cached_property
    def merged(self) -> Merged:
        return merged(self.layers, below=self.below)

    def after(self, parts: Collection[str], directory: Path, absent: Collection[str]) -> Configuration:
        """Return the configuration after a restore of `parts` from the archive that is unpacked in `directory`.

        A part is "" for all, the name of a layer, or "section:NAME". Raises BackupError for a part that cannot be
        restored, and ComponentError for a configuration that cannot be read.
        """
        return self.service.archived(directory, absent).merged


class ArchivedConfiguration:
    """The configuration in an archive that is unpacked in `directory`. Reading it raises ComponentError."""

    def __init__(self, kind: "type[ServiceKind]", directory: Path, absent: Collection[str] = ()) -> None:
        self.kind = kind
        self.directory = directory
        self.absent = absent

    @property
    def has_lowest(self) -> bool:
        # a lowest layer that comes from a URL is not in the archive
        return any((self.directory / file).exists() for file in list(self.kind.layers.values())[:1])

    @cached_property
    def layers(self) -> Layers:
        return self.kind.read_archived(self.directory, self.absent)

    @cached_property
    def export(self) -> Configuration | None:
        """Return the merged export; None if the archive has none."""
        path = self.directory / EXPORT_NAME
        return parse_export(path.read_bytes()) if path.exists() else None

    @property
    def sections(self) -> list[str]:
        """Return the sections that the layers have; those of the export if the lowest layer came from a URL."""
        return list(merged(self.layers) if self.has_lowest else self.export or {})

    @property
    def merged(self) -> Configuration:
        """Return the merged layers; the merged export if the lowest layer came from a URL."""
        if not self.has_lowest and self.export is None:
            raise no_configuration()
        # a key that is in the export and in no layer was set by the environment of the service at that time
        below = merged({"export": self.export or {}}, below=self.kind.defaults)
        return merged(self.layers, below=below) if self.has_lowest else below
