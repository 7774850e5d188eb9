"""Preflight of a restore, before anything is changed: a valid configuration, the right files, enough disk space."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from backups.errors import BackupError
from backups.instances import Instance
from backups.instances.mismatch import mismatches, require_no_mismatch
from backups.models import RestoreExecution
from backups.runs.workspace import require_space
from backups.service.restore.staging.stage import Staged
from destinations.lib.disks import space_hint
from destinations.lib.operator_error import sentences


def require_valid(findings: Sequence[str], *, forced: bool) -> list[str]:
    """Refuse a configuration that the service would not start with, unless `forced`; return a warning then.

    Raises BackupError.
    """
    text = "; ".join(findings)
    if findings and not forced:
        raise BackupError(
            sentences(f"The configuration would not be valid: {text}"),
            hint="Restore without config, or force a configuration that is not valid.",
        ).needing("--force-invalid-config")
    return [sentences(f"Forced: the configuration is not valid: {text}")] if findings else []


def require_same_files(staged: Staged, instance: Instance, restore: RestoreExecution) -> list[str]:
    """Refuse to restore into a database that the running service does not use; return warnings of the others.

    Raises BackupError.
    """
    # an undo goes where the restore went
    only = () if restore.undo_of is not None else [step.component.name for step in staged.steps]
    return require_no_mismatch(
        mismatches(instance, staged.live, staged.live_configuration, staged.configuration), only=only
    )


def require_room(staged: Staged, directory: Path) -> None:
    """Raise BackupError unless the disks have room for the restore, and the workspace `directory` for a rollback."""
    # One component is replaced after the other: what those before grew by stays in use, what one needs only while it
    # is replaced is free again afterwards.
    grown: dict[int, int] = {}
    for step in staged.steps:
        if not step.entries:
            continue
        for place, room in step.component.space_needed(step.entries, staged.directory).items():
            folder = _existing(place)
            # components on one file system share its free space
            device = folder.stat().st_dev
            needed, free = grown.get(device, 0) + room.meanwhile, shutil.disk_usage(folder).free
            if needed > free:
                raise BackupError(
                    f"{folder} has {free:,} bytes free, the restore of {step.target.name} needs about {needed:,}.",
                    hint=space_hint(folder),
                )
            grown[device] = grown.get(device, 0) + room.growth
    # a rollback unpacks the safety backup in place of the staged files, and copies each database to compare it
    components = {step.component.name: step.component for step in staged.steps}
    sizes = [component.source_bytes() for component in components.values()]
    in_use = sum(path.stat().st_size for path in staged.directory.iterdir())
    require_space(directory, sum(sizes) + max(sizes) - in_use)


def _existing(folder: Path) -> Path:
    """Return `folder`, or its nearest parent that exists."""
    return folder if folder.exists() else _existing(folder.parent)
