"""The configuration in a backup beside the one that is in force, key by key, secrets masked."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from backups import tacacs
from backups.archive.errors import ArchiveError
from backups.archive.manifest import Manifest
from backups.archive.reader import read_member
from backups.components.config_archived import EXPORT, require_section
from backups.errors import BackupError, ComponentError
from backups.instances import Instance
from backups.masking import is_mask_of, is_secret, mask
from backups.models import BackupExecution
from backups.service.opening import opened
from backups.service.uses import reading
from backups.service.workspace import workspace
from destinations.exceptions import DestinationError

# the export stands near the beginning of an archive of ours, behind the manifest, the file and the overrides
HEAD_BYTES = 8 << 20
LONGEST_EXPORT = 4 << 20


@dataclass(frozen=True, slots=True)
class ConfigurationChange:
    """One key; None where it is not set. Values of secret keys are masked."""

    section: str
    key: str
    now: str | None
    backup: str | None


@dataclass(frozen=True, slots=True)
class ArchivedSide:
    """The merged configuration in the backup, with its secrets `masked` when the row kept it; else `reason` why not."""

    configuration: tacacs.Configuration | None = None
    masked: bool = False
    reason: str = ""


def archived_side(source: BackupExecution | Path, manifest: Manifest) -> ArchivedSide:
    """Return the configuration that `source` holds, from the row or from the first bytes of the archive."""
    if isinstance(source, BackupExecution) and source.config_json:
        return ArchivedSide(source.config_json, masked=True)
    if manifest.entry(EXPORT) is None:
        return ArchivedSide(reason="the backup holds no merged configuration")
    try:
        with workspace(str(uuid4())) as directory:
            path = source if isinstance(source, Path) else _head(source, directory)
            return ArchivedSide(_export_in(path, manifest, directory))
    except (BackupError, ArchiveError, DestinationError) as error:
        return ArchivedSide(reason=error.message)


def _head(execution: BackupExecution, directory: Path) -> Path:
    """Read no more than the beginning of the archive."""
    path = directory / "head"
    with reading(execution), execution.destination.open() as destination:
        path.write_bytes(destination.head(execution.backup_path, HEAD_BYTES))
    return path


def _export_in(path: Path, manifest: Manifest, directory: Path) -> tacacs.Configuration:
    entry = manifest.entry(EXPORT)
    assert entry is not None  # noqa: S101 - asked before
    with opened(path, directory) as stream:
        return tacacs.parse_export(read_member(stream, entry, max_bytes=LONGEST_EXPORT), EXPORT)


def changes(
    instance: Instance, archived: ArchivedSide, sections: Collection[str]
) -> tuple[tuple[ConfigurationChange, ...], str]:
    """Return every key that differs, in `sections` or in all of them; or why the two cannot be compared.

    Raises BackupError for a section that the archive does not have.
    """
    if archived.configuration is None:
        return (), archived.reason
    for section in sections:
        require_section(section, archived.configuration)
    try:
        live = tacacs.live_configuration(instance)
    except ComponentError as error:
        return (), error.message
    backup = archived.configuration
    names = sections or dict.fromkeys([*live, *backup])
    keys = [(name, key) for name in names for key in dict.fromkeys([*live.get(name, {}), *backup.get(name, {})])]
    found = (_change(name, key, live, archived) for name, key in keys)
    return tuple(change for change in found if change is not None), ""


def _change(section: str, key: str, live: tacacs.Configuration, archived: ArchivedSide) -> ConfigurationChange | None:
    assert archived.configuration is not None  # noqa: S101 - asked before
    now, then = live.get(section, {}).get(key), archived.configuration.get(section, {}).get(key)
    if now == then or (archived.masked and now and then and is_secret(key) and is_mask_of(then, now)):
        return None
    return ConfigurationChange(section, key, _shown(key, now), then if archived.masked else _shown(key, then))


def _shown(key: str, value: str | None) -> str | None:
    return mask(value) if value and is_secret(key) else value
