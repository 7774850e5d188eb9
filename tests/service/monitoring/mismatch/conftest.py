"""A server whose configuration does not say where its databases are."""

import shutil
from pathlib import Path

import pytest


def without_key(root: Path, section: str, key: str) -> None:
    """Take a key out of the configuration file: its database is the default, unless the environment says otherwise."""
    conf = root / "config" / "tacacs.conf"
    lines, current, kept = conf.read_text().splitlines(), "", []
    for line in lines:
        current = line if line.startswith("[") else current
        if not (current == f"[{section}]" and line.partition("=")[0].strip() == key):
            kept.append(line)
    conf.write_text("\n".join(kept) + "\n")


@pytest.fixture
def root(tacacs_root: Path) -> Path:
    """Return the root of a server whose configuration does not say where devices and accounting are."""
    without_key(tacacs_root, "devices", "database")
    without_key(tacacs_root, "database", "accounting_db")
    return tacacs_root


@pytest.fixture
def other(tmp_path: Path, root: Path) -> Path:
    """Return a database of devices in another place."""
    folder = tmp_path / "var"
    folder.mkdir()
    return Path(shutil.copy(root / "data" / "devices.db", folder / "devices.db"))
