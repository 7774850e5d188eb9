"""Small and read-only file systems, really mounted."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.programs import missing, require


@contextmanager
def small_disk(path: Path, *, megabytes: float) -> Iterator[Path]:
    """Mount a file system of that size at `path`; skips where only an administrator could."""
    if os.geteuid() != 0:
        missing("only root can mount a small file system")
    path.mkdir(mode=0o700, exist_ok=True)
    size = f"size={int(megabytes * 1024)}k,mode=0700"
    mounted = subprocess.run(
        [require("mount"), "-t", "tmpfs", "-o", size, "backupsite-test", str(path)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if mounted.returncode != 0:
        missing(f"a small file system cannot be mounted here: {mounted.stderr.strip()}")
    try:
        yield path
    finally:
        subprocess.run([require("umount"), "--lazy", str(path)], check=True)


@contextmanager
def bound(source: Path, point: Path) -> Iterator[Path]:
    """Show the folder or file `source` at `point` too; skips where only an administrator could."""
    if os.geteuid() != 0:
        missing("only root can make a bind mount")
    mounted = subprocess.run(
        [require("mount"), "--bind", str(source), str(point)], capture_output=True, text=True, check=False
    )
    if mounted.returncode != 0:
        missing(f"a bind mount cannot be made here: {mounted.stderr.strip()}")
    try:
        yield point
    finally:
        subprocess.run([require("umount"), "--lazy", str(point)], check=True)


def remount_read_only(path: Path) -> None:
    subprocess.run([require("mount"), "-o", "remount,ro", str(path)], check=True)
