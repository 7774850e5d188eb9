"""Mount points, and the other paths that bind mounts give to a file. Source of the format: proc_pid_mountinfo(5)."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

MOUNTINFO = Path("/proc/self/mountinfo")


@dataclass(frozen=True, slots=True)
class Mount:
    """The folder `root` of the file system on `device` ("8:1"), mounted at `point`."""

    device: str
    root: Path
    point: Path


def mounts() -> list[Mount]:
    """Return the mounts in the namespace of this process, in the order of mounting."""

    def path(field: str) -> Path:
        # blanks and backslashes are octal escapes
        return Path(re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), field))

    lines = MOUNTINFO.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    return [Mount(device, path(root), path(point)) for _, _, device, root, point, *_ in map(str.split, lines)]


def mounts_below(folder: Path) -> list[Path]:
    """Return the mount points below `folder`, without `folder` itself."""
    return [mount.point for mount in mounts() if mount.point != folder and mount.point.is_relative_to(folder)]


def spellings(path: Path, known: list[Mount]) -> Iterator[Path]:
    """Yield the resolved `path`, then each path at which a mount in `known` shows the same file.

    Another file system may be mounted over some of them.
    """
    yield path
    holding = [mount for mount in known if path.is_relative_to(mount.point)]
    if not holding:
        return
    # of several mounts at one point the last one is visible
    own = max(reversed(holding), key=lambda mount: len(mount.point.parts))
    inner = own.root / path.relative_to(own.point)
    for mount in known:
        if mount.device == own.device and inner.is_relative_to(mount.root):
            other = mount.point / inner.relative_to(mount.root)
            if other != path:
                yield other
