"""A tree with everything that a tree may hold."""

import os
from pathlib import Path

import pytest

from tests.support.processes.unprivileged_user import NOBODY


@pytest.fixture
def tmp_path(disk_path: Path) -> Path:
    """Return a folder of the disk, in which trees are exchanged and synced."""
    return disk_path


@pytest.fixture
def live(tmp_path: Path) -> Path:
    """A tree with everything that a tree may hold."""
    root = tmp_path / "service" / "files"
    (root / "empty").mkdir(parents=True)
    (root / "deep" / "er" / "est").mkdir(parents=True)
    (root / "deep" / "er" / "file").write_bytes(os.urandom(3_000_000))
    (root / "zero").touch()
    (root / "name with\nline break").write_text("x")
    (root / os.fsdecode(b"\xff\xfe not utf-8")).write_text("y")
    (root / ("long" * 50)).write_text("z")
    (root / "deep" / ("longer" * 30) / ("path" * 50)).mkdir(parents=True)
    (root / "link").symlink_to("deep/er/file")
    (root / "dangling").symlink_to("../" * 30 + "nowhere/" + "far" * 60)
    (root / "to-folder").symlink_to("deep")
    (root / "shared").mkdir(mode=0o700)
    (root / "shared").chmod(0o3775)
    (root / "program").write_bytes(b"#!/bin/sh\n")
    (root / "program").chmod(0o4755)
    (root / "secret").write_text("s")
    (root / "secret").chmod(0o400)
    (root / "old").write_text("o")
    os.utime(root / "old", (981_173_106, 981_173_106))
    os.utime(root / "empty", (1, 1))
    if os.geteuid() == 0:
        os.chown(root / "shared", NOBODY, 12)
        os.lchown(root / "link", 13, NOBODY)
        os.chown(root / "program", NOBODY, NOBODY)
        (root / "program").chmod(0o4755)
    root.chmod(0o751)
    return root
