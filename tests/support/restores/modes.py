"""Modes and owners below a folder."""

import stat
from pathlib import Path

MODES = {
    ".": 0o755, "conf": 0o2750, "conf/private": 0o700, "conf/private/server.key": 0o400, "conf/run.sh": 0o750,
    "db": 0o1770, "db/users.sqlite3": 0o600, "db/log.db": 0o640, "files": 0o711, "files/tree": 0o700,
    "files/tree/open.txt": 0o644, "files/tree/run": 0o4755,
}  # fmt: skip
Modes = dict[str, tuple[str, int, int]]


def modes(root: Path) -> Modes:
    """Return mode and owner of `root` and everything below it, but for the mark that a restore leaves."""
    found = [path for path in [root, *root.rglob("*")] if path.name != "restart-required.json"]
    infos = {str(path.relative_to(root)): path.lstat() for path in found}
    return {name: (oct(stat.S_IMODE(info.st_mode)), info.st_uid, info.st_gid) for name, info in infos.items()}
