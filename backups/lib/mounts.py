"""Where file systems are mounted, and by which other paths a file can be reached through them.

Source of the format: proc_pid_mountinfo(5).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

MOUNTINFO = Path("/proc/self/mountinfo")


@dataclass(frozen=True, slots=True)
class Mount:
    """A part of the file system `device` ("8:1"), from its folder `root` on, that is seen at `point`."""

    device: str
    root: Path
    point: Path


def mounts() -> list[Mount]:
    """Return every mount that this process sees, in the order of mounting."""
    lines = MOUNTINFO.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    return [Mount(device, _path(root), _path(point)) for _, _, device, root, point, *_ in map(str.split, lines)]


def _path(field: str) -> Path:
    return Path(re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), field))


def mounts_below(folder: Path) -> list[Path]:
    """Return the mount points in `folder`, itself excepted."""
    return [mount.point for mount in mounts() if mount.point != folder and mount.point.is_relative_to(folder)]


def spellings(path: Path, known: list[Mount]) -> Iterator[Path]:
    """Yield the resolved `path`, and each path by which a mount in `known` shows the same place.

    Some of the others may be hidden by what is mounted over them.
    """
    yield path
    holding = [mount for mount in known if path.is_relative_to(mount.point)]
    if not holding:
        return
    # of mounts at one point the last one counts
    own = max(reversed(holding), key=lambda mount: len(mount.point.parts))
    inner = own.root / path.relative_to(own.point)
    for mount in known:
        if mount.device == own.device and inner.is_relative_to(mount.root):
            other = mount.point / inner.relative_to(mount.root)
            if other != path:
                yield other
