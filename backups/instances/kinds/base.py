"""What a kind of service answers: its components, its configuration, and what the manifest says about it."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Self

from django.conf import settings

from backups.archive.manifest.document import Manifest
from backups.archive.manifest.names import EXPORT_NAME
from backups.components.base import Component
from backups.errors import ComponentError
from backups.instances.kinds.layers import Configuration, Layers, is_url, merged, no_configuration, parse_export
from backups.lib.site_paths import OwnPlaces


@dataclass(frozen=True, slots=True)
class DatabaseSource:
    """How a service finds one of its databases.

    `usual` is the file name that it has everywhere, `key` where the configuration names it, `variable` the variable in
    the environment that would move it. `setting` is the key of instances.toml that says where it is, `stated` true
    where that is set. Empty is what is not known, or does not exist.
    """

    usual: str = ""
    key: str = ""
    variable: str = ""
    setting: str = ""
    stated: bool = False


class ServiceKind(ABC):
    """A kind of service. An object of it is one service, as its instance is described in instances.toml.

    Only `parse`, `component_names`, `components` and `component_at` have to be written for a service without a
    configuration of its own. With one, `layers` names its layers, and `read_layers` and `read_archived` read them.
    """

    # the word in instances.toml and in manifests
    kind: ClassVar[str]
    # what people call it
    label: ClassVar[str]
    # the keys of its table in instances.toml, besides those of every kind
    keys: ClassVar[frozenset[str]] = frozenset()
    # the folder for restart-required.json, relative to the root
    default_state: ClassVar[str] = "."
    # the layers of its configuration, lowest first, with the file of each in the archive
    layers: ClassVar[Mapping[str, str]] = {}
    # true where a layer and a section can be restored alone: see `section` and `LiveConfiguration.after`
    divisible: ClassVar[bool] = False
    # the component of each file, in archives that the service writes itself
    foreign_components: ClassVar[Mapping[str, str]] = {}

    # the file or URL that its processes are started with; empty where there is none
    config: str = ""
    # a file with the environment that it is started with
    environment_file: Path | None = None

    def __init__(self, name: str, root: Path) -> None:
        self.name = name
        self.root = root

    @classmethod
    @abstractmethod
    def parse(cls, name: str, root: Path, table: Mapping[str, Any]) -> Self:
        """Return the service that `table` describes, whose keys are known ones. Raises Mistake."""

    @property
    @abstractmethod
    def component_names(self) -> tuple[str, ...]:
        """Return the names of all components, in the order in which they are exported."""

    @abstractmethod
    def components(self, configuration: Configuration, own: OwnPlaces) -> list[Component]:
        """Return the components where `configuration` has them, in the order in which they are exported.

        Raises ComponentError when one of them leads out of the root.
        """

    @abstractmethod
    def component_at(self, name: str, path: Path, own: OwnPlaces) -> Component | None:
        """Return the component `name` at `path`, where an earlier restore found it; None where there is none."""

    def named_paths(self) -> list[Path]:
        """Return the paths inside the root that instances.toml itself names."""
        return []

    def database_source(self, component: str, configuration: Configuration) -> DatabaseSource:
        """Return how the service finds the database of `component` under `configuration`."""
        return DatabaseSource()

    @property
    def config_is_url(self) -> bool:
        return is_url(self.config)

    def live(self, *, lock_timeout: float | None = None) -> "LiveConfiguration":
        """Return the configuration as it is now; nothing is read yet."""
        return LiveConfiguration(self, lock_timeout=lock_timeout)

    def read_layers(self, lock_timeout: float) -> Layers:
        """Return each of `layers` as it is now. `lock_timeout` is in seconds. Raises ComponentError."""
        return {}

    @classmethod
    def archived(cls, directory: Path, absent: Collection[str] = ()) -> "ArchivedConfiguration":
        """Return the configuration in an unpacked archive; `absent` are the parts that its manifest calls absent."""
        return ArchivedConfiguration(cls, directory, absent)

    @classmethod
    def read_archived(cls, directory: Path, absent: Collection[str]) -> Layers:
        """Return those of `layers` that an unpacked archive holds, or says to be empty. Raises ComponentError."""
        return {}

    @classmethod
    def findings(cls, configuration: Configuration) -> list[str]:
        """Return why the service would not start with `configuration`, a few words each. Names keys, never values."""
        return []

    def section(self, name: str, *, by: str) -> Component:
        """Return what restores one section of the configuration; `by` is who does it."""
        raise ComponentError(f"A section of the configuration of {self.name} cannot be restored alone.")

    def declared(self, configuration: Configuration) -> Configuration:
        """Return the sections ``backup``, ``backup.destinations.NAME`` and ``backup.schedules.NAME``, among others."""
        return configuration

    @classmethod
    def is_secret(cls, section: str, key: str) -> bool:
        """Tell whether the value of `key` must be masked although its name is not that of a secret."""
        return False

    def instance_id(self, members: Mapping[str, Path]) -> str:
        """Return what the service calls itself, for the manifest. `members` are the sound files of the backup, by name.

        Raises ComponentError.
        """
        return self.name

    def server_version(self, members: Mapping[str, Path]) -> str:
        """Return the version of the service, for the manifest. Raises ComponentError."""
        return "unknown"

    @classmethod
    def recognises(cls, manifest: Manifest) -> bool:
        """Tell whether the archive is of a service of this kind."""
        return manifest.kind == cls.kind


class LiveConfiguration:
    """The configuration of a service as it is now. It is read when it is first asked for, and once."""

    def __init__(self, service: ServiceKind, *, lock_timeout: float | None = None) -> None:
        self.service = service
        self.lock_timeout = settings.BACKUP_LOCK_TIMEOUT if lock_timeout is None else lock_timeout

    @cached_property
    def layers(self) -> Layers:
        return self.service.read_layers(self.lock_timeout)

    @cached_property
    def merged(self) -> Configuration:
        return merged(self.layers)

    def after(self, parts: Collection[str], directory: Path, absent: Collection[str]) -> Configuration:
        """Return the configuration after a restore of `parts` from the archive that is unpacked in `directory`.

        A part is "" for all, the name of a layer, or "section:NAME". Raises BackupError for a part that cannot be
        restored here, ComponentError for what cannot be read.
        """
        return self.service.archived(directory, absent).merged


class ArchivedConfiguration:
    """The configuration in an archive that is unpacked in `directory`. Everything here raises ComponentError."""

    def __init__(self, kind: type[ServiceKind], directory: Path, absent: Collection[str] = ()) -> None:
        self.kind = kind
        self.directory = directory
        self.absent = absent

    @property
    def has_lowest(self) -> bool:
        """False where the lowest layer is not in the archive: it came from a URL."""
        return any((self.directory / file).exists() for file in list(self.kind.layers.values())[:1])

    @cached_property
    def layers(self) -> Layers:
        return self.kind.read_archived(self.directory, self.absent)

    @property
    def merged(self) -> Configuration:
        """Return all layers as one; the merged export where the lowest one came from a URL."""
        if self.has_lowest:
            return merged(self.layers)
        export = self.directory / EXPORT_NAME
        if not export.exists():
            raise no_configuration()
        return parse_export(export.read_bytes())
