"""The interface of a kind of service: its components, its configuration and its entries in the manifest."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import cached_property, wraps
from pathlib import Path
from typing import Any, ClassVar, Self, TypeVar

from django.conf import settings

from backups.archive.manifest.document import Manifest
from backups.archive.manifest.names import EXPORT_NAME
from backups.components.base import Component
from backups.errors import ComponentError
from backups.instances.environment import Environment
from backups.instances.kinds.layers import Configuration, Layers, Merged, is_url, merged, no_configuration, parse_export
from backups.lib.paths import Root
from backups.lib.site_paths import SitePaths

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class DatabaseSource:
    """How a service finds one of its databases.

    `default_name` is its default file name, `key` the section and key of the configuration that name it, `variable` the
    environment variable that overrides them. `setting` is the key of instances.toml for its path, `stated` whether that
    is set. What is unknown or does not exist is empty.
    """

    default_name: str = ""
    key: str = ""
    variable: str = ""
    setting: str = ""
    stated: bool = False


class ServiceKind(ABC):
    """A kind of service. An object is the service of one instance in instances.toml.

    A kind without a configuration of its own implements `parse`, `component_names`, `components` and `component_at`. A
    kind with one also names its `layers` and implements `read_layers` and `read_archived`.
    """

    # its name in instances.toml and in manifests
    kind: ClassVar[str]
    # its name on pages
    label: ClassVar[str]
    # the keys of its table in instances.toml, in addition to those of all kinds
    keys: ClassVar[frozenset[str]] = frozenset()
    # the default folder of restart-required.json, relative to the root
    default_state: ClassVar[str] = "."
    # the layers of its configuration, lowest first, with the file of each in the archive
    layers: ClassVar[Mapping[str, str]] = {}
    # the values of keys that neither a layer nor the environment sets
    defaults: ClassVar[Configuration] = {}
    # the section and key that each variable of its environment sets
    variables: ClassVar[Mapping[str, tuple[str, str]]] = {}
    # whether a layer or a section can be restored alone: see `section` and `LiveConfiguration.after`
    divisible: ClassVar[bool] = False
    # whether its own scheduler takes weekday 0 of a cron expression for Monday
    counts_weekdays_from_monday: ClassVar[bool] = False
    # the component of each file, in archives that the service writes itself
    foreign_components: ClassVar[Mapping[str, str]] = {}

    # the configuration file or URL that its processes are started with; empty if there is none
    config: str = ""
    # the environment that it is started with
    environment = Environment()

    def __init__(self, name: str, root: Root) -> None:
        self.name = name
        self.root = root

    @classmethod
    @abstractmethod
    def parse(cls, name: str, root: Root, table: Mapping[str, Any]) -> Self:
        """Return the service of `table`, whose keys have been checked. Raises Mistake."""

    @property
    @abstractmethod
    def component_names(self) -> tuple[str, ...]:
        """Return the names of all components in the order of their export."""

    @abstractmethod
    def components(self, configuration: Configuration, own: SitePaths) -> list[Component]:
        """Return the components at their paths in `configuration`, in the order of their export.

        The site's `own` paths are left out of trees. Raises ComponentError when a path lies outside of the root.
        """

    @abstractmethod
    def component_at(self, name: str, path: Path, own: SitePaths) -> Component | None:
        """Return the component `name` at `path`, which an earlier restore recorded; None if the service has none."""

    def named_paths(self) -> list[Path]:
        """Return the paths of components that instances.toml names."""
        return []

    def database_source(self, component: str, configuration: Configuration) -> DatabaseSource:
        """Return how the service finds the database of `component` under `configuration`."""
        return DatabaseSource()

    @property
    def config_is_url(self) -> bool:
        return is_url(self.config)

    def live(self, *, lock_timeout: float | None = None) -> "LiveConfiguration":
        """Return the present configuration, which is read at the first access."""
        return LiveConfiguration(self, lock_timeout=lock_timeout)

    def read_layers(self, lock_timeout: float) -> Layers:
        """Read the present `layers`. `lock_timeout` is in seconds. Raises ComponentError."""
        return {}

    def read_environment(self) -> Configuration:
        """Read what the environment of the service sets: above the `defaults`, below the `layers`.

        Raises ComponentError.
        """
        return self.environment.configuration(self.variables)

    @classmethod
    def archived(cls, directory: Path, absent: Collection[str] = ()) -> "ArchivedConfiguration":
        """Return the configuration in an unpacked archive; `absent` are the absent parts by its manifest."""
        return ArchivedConfiguration(cls, directory, absent)

    @classmethod
    def read_archived(cls, directory: Path, absent: Collection[str]) -> Layers:
        """Read the `layers` in an unpacked archive, with those that are `absent` as empty. Raises ComponentError."""
        return {}

    @classmethod
    def findings(cls, configuration: Configuration) -> list[str]:
        """Return why the service would not start with `configuration`, in a few words each, without values."""
        return []

    def section(self, name: str, *, by: str) -> Component:
        """Return a component that restores one section of the configuration; `by` is the user for its history."""
        raise ComponentError(f"A section of the configuration of {self.name} cannot be restored alone.")

    def declared(self, configuration: Configuration) -> Configuration:
        """Return the sections ``backup``, ``backup.destinations.NAME`` and ``backup.schedules.NAME``, among others."""
        return configuration

    @classmethod
    def is_secret(cls, section: str, key: str) -> bool:
        """Return whether the value of `key` must be masked although its name is not that of a secret."""
        return False

    def instance_id(self, members: Mapping[str, Path]) -> str:
        """Return the service's own id, for the manifest. `members` are the sound files of the backup by name.

        Raises ComponentError.
        """
        return self.name

    def own_id(self, lock_timeout: float) -> str:
        """Return the id by which the live service knows itself, whatever it is called; empty where it has none.

        Raises ComponentError.
        """
        return ""

    def server_version(self, members: Mapping[str, Path]) -> str:
        """Return the version of the service, for the manifest. Raises ComponentError."""
        return "unknown"

    @classmethod
    def recognises(cls, manifest: Manifest) -> bool:
        """Return whether the archive is of a service of this kind."""
        return manifest.kind == cls.kind


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

    def __init__(self, service: ServiceKind, *, lock_timeout: float | None = None) -> None:
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

    def __init__(self, kind: type[ServiceKind], directory: Path, absent: Collection[str] = ()) -> None:
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
