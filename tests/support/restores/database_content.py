"""What a database holds."""

from pathlib import Path

from tests.support.restores.instance_restores import tree

CONF = "config/tacacs.conf"


def content(root: Path) -> dict[str, object]:
    """Return what lies below `root`, logs that hold something too."""
    found = tree(root)
    for name in list(found):
        empty_log = name.endswith("-wal") and found[name][3] == 0
        if empty_log or name.endswith(("-shm", "restart-required.json")):
            del found[name]
    return found
