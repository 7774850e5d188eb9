"""Mount points, and the other paths that bind mounts give to a file. Source of the format: proc_pid_mountinfo(5)."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

MOUNTINFO = Path("/proc/self/mountinfo")


@dataclass(frozen=True, slots=True)
class Mount:
    """The folder `root` of the file system on `device` ("8:1"), mounted at `point`; its `type` is "ext4", "proc"."""

    device: str
    root: Path
    point: Path
    type: str = ""


def mounts() -> list[Mount]:
    """Return the mounts in the namespace of this process, in the order of mounting."""

    def path(field: str) -> Path:
        # blanks and backslashes are octal escapes
        return Path(re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), field) if "\\" in field else field)

    lines = MOUNTINFO.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    # between the options and the type are optional fields, as many as there are
    fields = [(line.split(), line.partition(" - ")[2].split(maxsplit=1)[0]) for line in lines]
    return [Mount(device, path(root), path(point), type_) for (_, _, device, root, point, *_), type_ in fields]


def lies_in(path: Path, folder: Path) -> bool:
    """Return what `path.is_relative_to(folder)` returns; that takes 20 times as long, for each of many mounts."""
    inner, outer = str(path), str(folder)
    return inner == outer or inner.startswith(outer if outer == "/" else f"{outer}/")


def mounts_below(folder: Path) -> list[Path]:
    """Return the mount points below `folder`, without `folder` itself."""
    return [mount.point for mount in mounts() if mount.point != folder and lies_in(mount.point, folder)]


def mount_of(path: Path, known: list[Mount]) -> Mount | None:
    """Return the mount out of `known` that shows the resolved `path`; None when none does."""
    holding = [mount for mount in known if lies_in(path, mount.point)]
    # of several mounts at one point the last one is visible
    return max(reversed(holding), key=lambda mount: len(mount.point.parts), default=None)


def spellings(path: Path, known: list[Mount]) -> Iterator[Path]:
    """Yield the resolved `path`, then each path at which a mount in `known` shows the same file.

    Another file system may be mounted over some of them.
    """
    yield path
    own = mount_of(path, known)
    if own is None:
        return
    inner = own.root / path.relative_to(own.point)
    for mount in known:
        if mount.device == own.device and lies_in(inner, mount.root):
            other = mount.point / inner.relative_to(mount.root)
            if other != path:
                yield other
