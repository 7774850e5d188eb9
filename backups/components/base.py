"""What every kind of component can do: tell its size, and export itself into a workspace."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Literal

from backups.archive.manifest.document import Entry, LeftOut
from backups.archive.manifest.permissions import Permissions
from backups.errors import ComponentError

PartType = Literal["database", "config", "data"]


@dataclass(frozen=True, slots=True)
class ComponentSpec:
    """One component as it is described; `path` is absolute and inside the root of its instance."""

    name: str
    kind: str
    path: Path
    optional: bool = False


@dataclass(frozen=True, slots=True)
class ConfigInfo:
    """What the manifest says about the configuration.

    `layers` are the texts that it is merged from, lowest first: ``{layer: {section: {key: text}}}``.
    """

    source: str
    hash: str
    has_overrides: bool
    layers: Mapping[str, Mapping[str, Mapping[str, str]]]


@dataclass(frozen=True, slots=True)
class ExportedPart:
    """A file in the workspace that becomes the member `name` of the archive.

    `permissions` are those of what it was made of, where a restore could have to create that. `listing` has the entries
    of a tree, `files` and `file_bytes` count them.
    """

    component: str
    path: Path
    name: str
    type: PartType
    permissions: Permissions | None = None
    listing: Path | None = None
    files: int | None = None
    file_bytes: int | None = None


@dataclass(slots=True)
class Export:
    """What a component put into the workspace; `salvaged` when it took the files as they lie there, sound or not."""

    parts: list[ExportedPart] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    absent: list[tuple[str, str]] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)
    config_info: ConfigInfo | None = None
    salvaged: bool = False


@dataclass(frozen=True, slots=True)
class ExportContext:
    """Where to export to, how long to wait for a lock (seconds), and whom to tell the bytes that were copied.

    `checkpoint` raises when the execution is to stop.
    """

    directory: Path
    lock_timeout: float
    checkpoint: Callable[[int], None]


@dataclass(frozen=True, slots=True)
class ApplyContext:
    """Where the verified members of an archive lie, how long to wait for a lock (seconds), whom to tell the bytes."""

    staged: Path
    lock_timeout: float
    checkpoint: Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Room:
    """Bytes that a restore takes beside the live files: at most `meanwhile`, `growth` of them for good."""

    meanwhile: int
    growth: int


class Component(ABC):
    """One part of an instance. A kind is one file in this package and one line in its registry."""

    kind: ClassVar[str]

    def __init__(self, name: str, *, optional: bool = False) -> None:
        self.name = name
        self.optional = optional

    @abstractmethod
    def sources(self) -> list[Path]:
        """Return the paths that must be there for an export."""

    def paths(self) -> list[Path]:
        """Return every live path that an export reads or a restore writes."""
        return self.sources()

    @abstractmethod
    def source_bytes(self) -> int:
        """Return about how many bytes an export writes; 0 for what does not exist."""

    @abstractmethod
    def export(self, context: ExportContext) -> Export:
        """Write the component, whole and consistent, into ``context.directory``.

        Raises ComponentError when that is not possible.
        """

    @abstractmethod
    def salvage(self, context: ExportContext, error: ComponentError) -> Export:
        """Export the files as they lie there, sound or not, because `export` could not.

        Taken before a restore replaces them. What does not exist is absent. Raises ComponentError when they cannot be
        read either.
        """

    def path_of(self, entry: Entry) -> Path:
        """Return the live file or folder that `entry` is of."""
        return self.sources()[0]

    def database_of(self, entry: Entry) -> Path | None:
        """Return the live database that `entry` would go into; None when that is no database."""
        return None

    def databases(self) -> list[Path]:
        """Return the live SQLite databases of the component."""
        return []

    @abstractmethod
    def accepts(self, entries: Sequence[Entry]) -> bool:
        """True when `entries` are of a kind that this component can be made of."""

    @abstractmethod
    def apply(self, entries: Sequence[Entry], context: ApplyContext) -> None:
        """Make the live component what `entries` hold. Raises ComponentError; each single file is old or new then."""

    @abstractmethod
    def prove(self, entries: Sequence[Entry], context: ApplyContext) -> list[str]:
        """Check that the live component is what `entries` hold, and return notes for the operator.

        Raises ComponentError when it is not.
        """

    @abstractmethod
    def is_as_in(self, entries: Sequence[Entry], context: ApplyContext) -> bool:
        """True when the live component is exactly what `entries` hold. Raises ComponentError where it cannot tell."""

    @abstractmethod
    def exists(self, part: str = "") -> bool:
        """True when the component, or that part of it, is there."""

    @abstractmethod
    def tidy(self) -> None:
        """Remove drafts that a restore which was killed left beside the live component."""

    def foresee(self, entries: Sequence[Entry], context: ApplyContext) -> list[str]:
        """Return what the operator should know before `entries` are applied. Touches nothing.

        Raises ComponentError when they cannot be applied.
        """
        return []

    def room(self, entries: Sequence[Entry]) -> Room:
        """Return about how much the disk of the live component needs: the new one is written beside the old one."""
        new = sum(entry.size_bytes for entry in entries)
        return Room(new, new - self.source_bytes())

    def was_changed(self) -> bool:
        """True when somebody else has written into the live component since it was applied, as far as can be told."""
        return False

    @abstractmethod
    def remove(self, parts: Collection[str] = ("",)) -> None:
        """Take the live component, or these parts of it, away: the backup says that they did not exist."""
