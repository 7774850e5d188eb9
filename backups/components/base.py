"""The interface of components: a part of an instance that is exported by a backup and applied by a restore."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Literal

from backups.archive.manifest.document import Entry, LeftOut
from backups.archive.manifest.permissions import Permissions
from backups.errors import ComponentError
from backups.lib.filesystem.writable import file_obstacles
from backups.lib.paths import Identity, identity_of

PartType = Literal["database", "config", "data"]
# name, type and target of an entry of a tree in a backup
Content = tuple[str, str, str]
Contents = Callable[[Entry], Iterable[Content] | None]


@dataclass(frozen=True, slots=True)
class ComponentSpec:
    """A component of a generic instance; `path` is absolute and inside the root of the instance."""

    name: str
    kind: str
    path: Path
    optional: bool = False


@dataclass(frozen=True, slots=True)
class ConfigInfo:
    """The configuration as the manifest records it.

    `layers` are the configurations that are merged, lowest first: ``{layer: {section: {key: text}}}``.
    """

    source: str
    hash: str
    has_overrides: bool
    layers: Mapping[str, Mapping[str, Mapping[str, str]]]


@dataclass(frozen=True, slots=True)
class ExportedPart:
    """A file in the workspace that becomes the member `name` of the archive.

    `permissions` are those of its source, for a restore that has to create it. `listing` is the file with the entries
    of a tree, `files` and `file_bytes` are their number and size. What is `sealed` goes into encrypted archives only.
    """

    component: str
    path: Path
    name: str
    type: PartType
    permissions: Permissions | None = None
    listing: Path | None = None
    files: int | None = None
    file_bytes: int | None = None
    sealed: bool = False


@dataclass(slots=True)
class Export:
    """The result of an export; `salvaged` when files were copied as they are, sound or damaged."""

    parts: list[ExportedPart] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    absent: list[tuple[str, str]] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)
    # absent as expected, which is no warning
    not_yet_made: list[tuple[str, str]] = field(default_factory=list)
    config_info: ConfigInfo | None = None
    salvaged: bool = False


@dataclass(frozen=True, slots=True)
class ExportContext:
    """The folder to export to, and how long to wait for a lock, in seconds.

    `checkpoint` is called with the bytes copied, and raises when the run is to stop. `written` is called for a file
    that is written from its beginning to its end, with the bytes so far: it may be read then, and change later.
    """

    directory: Path
    lock_timeout: float
    checkpoint: Callable[[int], None]
    written: Callable[[Path, int], None] = lambda _path, _size: None


@dataclass(frozen=True, slots=True)
class ApplyContext:
    """The folder with the verified members of an archive, and how long to wait for a lock, in seconds.

    `checkpoint` is called with the bytes written, and raises when the run is to stop. `indexes` is the folder with the
    indexes of the trees, by the names of their members, where they were written. `checked` are the staged databases
    that were checked and counted as a whole, by the names of their members.
    """

    staged: Path
    lock_timeout: float
    checkpoint: Callable[[int], None]
    indexes: Path | None = None
    checked: Mapping[str, Identity] = field(default_factory=dict)

    def index_of(self, entry: Entry) -> Path | None:
        """Return the index of the tree that `entry` holds, where it has one."""
        return None if self.indexes is None else self.indexes / entry.file

    def checked_copy(self, entry: Entry) -> Path | None:
        """Return the staged database of `entry`, provided that it is still the file that was checked."""
        path, identity = self.staged / entry.file, self.checked.get(entry.file)
        return path if identity is not None and identity_of(path) == identity else None


@dataclass(frozen=True, slots=True)
class SpaceNeeded:
    """Bytes that a restore needs on the live file system: `meanwhile` while it runs, `growth` afterwards."""

    meanwhile: int
    growth: int


class Component(ABC):
    """A part of an instance. A kind of component is a package here and a line in the registry.

    A backup is made without an `optional` component too. One that is `made_at_first_use` may be missing until a backup
    has held it.
    """

    kind: ClassVar[str]
    made_at_first_use = False

    def __init__(self, name: str, *, optional: bool = False) -> None:
        self.name = name
        self.optional = optional

    @abstractmethod
    def sources(self) -> list[Path]:
        """Return the paths that must exist for an export."""

    def paths(self) -> list[Path]:
        """Return every live path that an export reads or a restore writes."""
        return self.sources()

    def location(self) -> Path:
        """Return the live path that stands for the component where one is named."""
        return self.sources()[0]

    @abstractmethod
    def source_bytes(self) -> int:
        """Return an estimate of the bytes that an export writes; 0 when the component does not exist."""

    @abstractmethod
    def export(self, context: ExportContext) -> Export:
        """Write a complete and consistent copy into ``context.directory``. Raises ComponentError."""

    @abstractmethod
    def salvage(self, context: ExportContext, error: ComponentError) -> Export:
        """Copy the files as they are, sound or damaged, after `export` failed with `error`.

        For the safety backup of a restore. What does not exist is absent. Raises ComponentError when the files cannot
        be read.
        """

    def path_of(self, entry: Entry) -> Path:
        """Return the live file or folder that `entry` is a copy of."""
        return self.location()

    def database_of(self, entry: Entry) -> Path | None:
        """Return the live database that `entry` would be restored into; None when it is not a database."""
        return None

    def databases(self) -> list[Path]:
        """Return the live SQLite databases of the component."""
        return []

    @abstractmethod
    def accepts(self, entries: Sequence[Entry]) -> bool:
        """Return whether `entries` have the types that this component can be restored from."""

    @abstractmethod
    def apply(self, entries: Sequence[Entry], context: ApplyContext) -> None:
        """Replace the live component by `entries`. Raises ComponentError; then each file is the old or the new one."""

    @abstractmethod
    def verify(self, entries: Sequence[Entry], context: ApplyContext) -> list[str]:
        """Verify the live component against `entries` after `apply`; return notes for the operator.

        Raises ComponentError when they differ.
        """

    @abstractmethod
    def matches(self, entries: Sequence[Entry], context: ApplyContext) -> bool:
        """Return whether the live component equals `entries`. Raises ComponentError when it cannot be compared."""

    @abstractmethod
    def exists(self, part: str = "") -> bool:
        """Return whether the component, or that part of it, exists."""

    @abstractmethod
    def remove_drafts(self) -> None:
        """Remove drafts that a killed restore left beside the live component."""

    def obstacles(
        self, entries: Sequence[Entry] | None = None, contents: Contents | None = None, *, deep: bool = True
    ) -> Iterator[ComponentError]:
        """Yield what would stop a restore here before it changes anything, as far as that is known without the archive.

        `entries` are those of the backup, by default of one made now. `contents` returns what a tree among them holds.
        With `deep` whole live trees are examined, where that is necessary.
        """
        paths = self.sources() if entries is None else [self.path_of(entry) for entry in entries]
        for path in dict.fromkeys(paths):
            yield from file_obstacles(path)

    def preflight(self, entries: Sequence[Entry], context: ApplyContext) -> list[str]:
        """Check without changes whether `entries` can be applied; return notes for the operator.

        Raises ComponentError when they cannot.
        """
        return []

    def space_needed(self, entries: Sequence[Entry], staged: Path) -> dict[Path, SpaceNeeded]:
        """Return an estimate of the space that `apply` needs, by a folder of each file system that it writes to.

        `staged` is the folder with the members of the archive.
        """
        # the new files are written beside the old ones
        new = sum(entry.size_bytes for entry in entries)
        return {self.location().resolve().parent: SpaceNeeded(new, new - self.source_bytes())}

    def was_changed(self) -> bool:
        """Return whether another process is known to have written into the live component since `apply`."""
        return False

    @abstractmethod
    def remove(self, parts: Collection[str] = ("",)) -> None:
        """Remove the live component, or these parts of it, which did not exist when the backup was made."""
