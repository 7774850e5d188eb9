"""The interface of a kind of service: its components, its configuration and its entries in the manifest."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

from backups.archive.manifest.document import Manifest
from backups.components.base import Component
from backups.errors import ComponentError
from backups.instances.environment import Environment
from backups.instances.kinds.configuration import ArchivedConfiguration, LiveConfiguration
from backups.instances.kinds.layers import Configuration, Layers, is_url
from backups.lib.paths import Root
from backups.lib.site_paths import SitePaths


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
    # whether it is this site itself: its components are among the site's own paths, and `restoresite` restores it
    is_this_site: ClassVar[bool] = False
    # why no restore of this site takes its archives; empty for all others
    not_restorable: ClassVar[str] = ""
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

    @classmethod
    def default_root(cls) -> str:
        """Return the root of an instance that states none; empty where it has to be stated."""
        return ""

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

    @classmethod
    def check_unpacked(cls, directory: Path, manifest: Manifest) -> list[str]:
        """Check what only this kind knows of an archive that is unpacked in `directory`; return warnings.

        Raises ComponentError when it could not be restored.
        """
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
