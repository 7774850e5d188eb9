"""The configuration that a backup holds, for a preview: from the row, or from the first bytes of the archive."""

from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from backups import tacacs
from backups.archive.entry import Entry
from backups.archive.errors import ArchiveError
from backups.archive.manifest import Manifest
from backups.archive.reader import read_members
from backups.components.config_archived import EXPORT, FILE, OVERRIDES, ArchivedConfiguration
from backups.errors import BackupError, ComponentError
from backups.models import BackupExecution
from backups.runs.workspace import workspace
from backups.service.opening import opened
from backups.service.uses import reading
from destinations.exceptions import DestinationError

# these stand near the beginning of an archive of ours, behind the manifest
HEAD_BYTES = 8 << 20
LONGEST = 32 << 20


@dataclass(frozen=True, slots=True)
class ArchivedSide:
    """What a backup holds of a configuration, its secrets `masked` where the row kept it; or `reason` why nothing.

    `file` and `overrides` are None where the archive has none or, with only `merged`, where they cannot be told apart.
    """

    merged: tacacs.Configuration | None = None
    file: tacacs.Configuration | None = None
    overrides: tacacs.Configuration | None = None
    masked: bool = False
    reason: str = ""

    @property
    def has_layers(self) -> bool:
        return self.file is not None or self.overrides is not None


def kept_side(execution: BackupExecution) -> ArchivedSide | None:
    """Return what the row of `execution` keeps, the text of a URL too; None where it keeps nothing."""
    kept = execution.config_json
    if not kept or kept.keys() != {"file", "overrides"}:
        return None
    layers = tacacs.Layers(kept["file"], kept["overrides"])
    return ArchivedSide(layers.merged, layers.file, layers.overrides, masked=True)


def archived_side(source: BackupExecution | Path, manifest: Manifest) -> ArchivedSide:
    """Return the configuration that a restore of `source` can bring back. Nothing is raised."""
    if isinstance(source, BackupExecution) and (kept := kept_side(source)) is not None:
        has_file = manifest.entry(FILE) is not None
        return ArchivedSide(kept.merged, kept.file if has_file else None, kept.overrides, masked=True)
    if manifest.entry(EXPORT) is None:
        return ArchivedSide(reason="the backup holds no merged configuration")
    try:
        with workspace(str(uuid4())) as directory:
            path = source if isinstance(source, Path) else _head(source, directory)
            return _read(path, manifest, directory)
    except (BackupError, ArchiveError, DestinationError) as error:
        return ArchivedSide(reason=error.message)


def _head(execution: BackupExecution, directory: Path) -> Path:
    """Read no more than the beginning of the archive."""
    path = directory / "head"
    with reading(execution), execution.destination.open() as destination:
        path.write_bytes(destination.head(execution.backup_path, HEAD_BYTES))
    return path


def _read(path: Path, manifest: Manifest, directory: Path) -> ArchivedSide:
    """Read file, overrides and export; the export alone where the others are too large for that."""
    found = [entry for name in (FILE, OVERRIDES, EXPORT) if (entry := manifest.entry(name)) is not None]
    with suppress(ArchiveError, ComponentError):
        _take_out(path, found, directory)
        without = any(item.component == "config.overrides" for item in manifest.absent)
        archived = ArchivedConfiguration(directory, without_overrides=without)
        merged = archived.merged()
        file = tacacs.read_configuration(directory / FILE) if archived.has_file else None
        return ArchivedSide(merged, file, archived.overrides())
    _take_out(path, [entry for entry in found if entry.file == EXPORT], directory)
    return ArchivedSide(tacacs.parse_export((directory / EXPORT).read_bytes(), EXPORT))


def _take_out(path: Path, entries: Collection[Entry], directory: Path) -> None:
    with opened(path, directory) as stream:
        for name, content in read_members(stream, entries, max_bytes=LONGEST).items():
            (directory / name).write_bytes(content)
