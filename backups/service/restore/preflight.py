"""Whether the disks have room for a restore, and for the way back from it: looked at before anything is touched."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from backups.errors import BackupError
from backups.runs.workspace import require_space
from backups.service.restore.stage import Staged, Step


def require_room(staged: Staged, directory: Path) -> None:
    """Raise BackupError unless the live files have room to change and the workspace `directory` to change them back."""
    _require_live_room(staged.steps)
    _require_room_to_roll_back(staged, directory)


def _require_live_room(steps: Sequence[Step]) -> None:
    """One component after the other: what those before it grew by stays, what it needs only meanwhile goes again."""
    grown: dict[int, int] = {}
    for step in steps:
        if not step.entries:
            continue
        folder = _existing(step.component.sources()[0].resolve().parent)
        device = folder.stat().st_dev
        room = step.component.room(step.entries)
        needed, free = grown.get(device, 0) + room.meanwhile, shutil.disk_usage(folder).free
        if needed > free:
            raise BackupError(
                f"{folder} has {free:,} bytes free, the restore of {step.target.name} needs about {needed:,}",
                hint="free space there",
            )
        grown[device] = grown.get(device, 0) + room.growth


def _existing(folder: Path) -> Path:
    return folder if folder.exists() else _existing(folder.parent)


def _require_room_to_roll_back(staged: Staged, directory: Path) -> None:
    """A rollback unpacks the state before in place of the staged one, and copies each database to compare it."""
    components = {step.component.name: step.component for step in staged.steps}
    sizes = [component.source_bytes() for component in components.values()]
    in_use = sum(path.stat().st_size for path in staged.directory.iterdir())
    require_space(directory, sum(sizes) + max(sizes) - in_use)
