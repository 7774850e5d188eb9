"""Read the configuration that a backup holds, for a preview: from its row, or from the beginning of the archive."""

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from pathlib import Path
from uuid import uuid4

from backups.archive.errors import ArchiveError
from backups.archive.manifest.document import Manifest
from backups.archive.manifest.entry import Entry
from backups.archive.manifest.names import EXPORT_NAME
from backups.archive.tar.read import read_members
from backups.errors import ComponentError
from backups.instances.kinds.base import ServiceKind
from backups.instances.kinds.layers import CONFIG, Configuration, Layers, merged, parse_export
from backups.instances.masking import masked
from backups.models import BackupExecution
from backups.runs.workspace import workspace
from backups.service.archives.leases import read_lease
from backups.service.archives.open import open_archive
from backups.service.archives.records.copies import readable_copies
from backups.service.restore.staging.select import absent_parts
from destinations.lib.operator_error import OperatorError

# the files of the configuration follow the manifest at the beginning of an archive
HEAD_BYTES = 8 << 20
# of one file: it is read into memory
LONGEST = 32 << 20


@dataclass(frozen=True, slots=True)
class ArchivedSide:
    """The configuration in a backup, or the `reason` why it is unknown; from a row, its secrets are `masked`.

    `layers` are those that the archive has; none where only the result of merging them, `merged`, is known. `sections`
    can be restored alone.
    """

    merged: Configuration | None = None
    layers: Layers = field(default_factory=dict)
    sections: tuple[str, ...] = ()
    masked: bool = False
    reason: str = ""


def kept_side(backup: BackupExecution, service: ServiceKind) -> ArchivedSide | None:
    """Return the configuration in the row of `backup`, one that was read from a URL too; None where it has none."""
    kept = backup.config_json
    if not kept or not service.layers.keys() <= kept.keys():
        return None
    layers = {name: kept[name] for name in service.layers}
    below = merged({"environment": kept.get("environment", {})}, below=masked(service.defaults, service.is_secret))
    return ArchivedSide(merged(layers, below=below), layers, tuple(merged(layers)), masked=True)


def archived_side(source: BackupExecution | Path, manifest: Manifest, service: ServiceKind) -> ArchivedSide:
    """Return the configuration that a restore of `source` into `service` can bring back. Nothing is raised."""
    lowest, file = next(iter(service.layers.items()))
    has_lowest = manifest.entry(file) is not None
    if isinstance(source, BackupExecution) and (kept := kept_side(source, service)) is not None:
        layers = {name: layer for name, layer in kept.layers.items() if has_lowest or name != lowest}
        return replace(kept, layers=layers)
    if not has_lowest and manifest.entry(EXPORT_NAME) is None:
        return ArchivedSide(reason="The backup holds no merged configuration.")
    if isinstance(source, Path):
        try:
            with workspace(str(uuid4())) as directory:
                return _read(source, manifest, directory, service)
        except OperatorError as error:
            return ArchivedSide(reason=error.message)
    reasons = []
    for copy in readable_copies(source):
        try:
            with workspace(str(uuid4())) as directory:
                # the configuration is at the beginning of the archive
                path = directory / "head"
                with read_lease(source), copy.destination.open() as destination:
                    path.write_bytes(destination.head(copy.path, HEAD_BYTES))
                return _read(path, manifest, directory, service)
        except OperatorError as error:
            reasons.append(error.message)
    return ArchivedSide(reason=reasons[0] if reasons else f"{source} has no copy to read.")


def _read(path: Path, manifest: Manifest, directory: Path, service: ServiceKind) -> ArchivedSide:
    """Read the layers and the export; the export alone where the layers are too large, or damaged."""
    names = (*service.layers.values(), EXPORT_NAME)
    found = [entry for name in names if (entry := manifest.entry(name)) is not None]
    try:
        _extract(path, found, directory)
        archived = service.archived(directory, absent_parts(manifest, CONFIG))
        return ArchivedSide(archived.merged, archived.layers, tuple(archived.sections))
    except (ArchiveError, ComponentError):
        if (export := manifest.entry(EXPORT_NAME)) is None:
            raise
    _extract(path, [export], directory)
    whole = parse_export((directory / EXPORT_NAME).read_bytes())
    return ArchivedSide(merged({"export": whole}, below=service.defaults), sections=tuple(whole))


def _extract(path: Path, entries: Collection[Entry], directory: Path) -> None:
    with open_archive(path, directory) as stream:
        for name, content in read_members(stream, entries, max_bytes=LONGEST).items():
            (directory / name).write_bytes(content)
