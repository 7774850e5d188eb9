"""Small and read-only file systems, really mounted."""

import ctypes
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.programs import missing, require


@contextmanager
def small_disk(path: Path, *, megabytes: float) -> Iterator[Path]:
    """Mount a file system of that size at `path`; skips where only an administrator could."""
    path.mkdir(mode=0o700, exist_ok=True)
    size = f"size={int(megabytes * 1024)}k,mode=0700"
    with _mounted(path, "-t", "tmpfs", "-o", size, "backupsite-test"):
        yield path


@contextmanager
def bare_disk(path: Path) -> Iterator[Path]:
    """Mount a file system without extended attributes at `path`; skips where only an administrator could."""
    path.mkdir(mode=0o700, exist_ok=True)
    with _mounted(path, "-t", "ramfs", "backupsite-test"):
        yield path


@contextmanager
def layered(lower: Path, point: Path, *, layers: Path) -> Iterator[Path]:
    """Show the folder `lower` at `point` below a layer that takes what is written, as in a container.

    `layers` is an empty folder for that. Skips where only an administrator could.
    """
    for name in ("upper", "work"):
        (layers / name).mkdir()
    options = f"lowerdir={lower},upperdir={layers / 'upper'},workdir={layers / 'work'},redirect_dir=off"
    with _mounted(point, "-t", "overlay", "-o", options, "backupsite-test"):
        yield point


@contextmanager
def kernel_files(point: Path) -> Iterator[Path]:
    """Mount a proc file system at `point`; skips where only an administrator could."""
    with _mounted(point, "-t", "proc", "backupsite-test"):
        yield point


@contextmanager
def bound(source: Path, point: Path) -> Iterator[Path]:
    """Show the folder or file `source` at `point` too; skips where only an administrator could."""
    with _mounted(point, "--bind", str(source)):
        yield point


@contextmanager
def silent_mount(point: Path) -> Iterator[Path]:
    """Mount a file system whose server never answers at `point`, as a share does whose server is away.

    Whatever waits for it fails when the mount is removed. Skips where only an administrator could.
    """
    if os.geteuid() != 0:
        missing("only root can mount")
    try:
        server = os.open("/dev/fuse", os.O_RDWR)
    except OSError as error:
        missing(f"there is no FUSE here: {error.strerror}")
    libc = ctypes.CDLL(None, use_errno=True)
    options = f"fd={server},rootmode=40000,user_id=0,group_id=0"
    try:
        if libc.mount(b"backupsite-test", os.fsencode(point), b"fuse", 0, options.encode()) != 0:
            missing(f"nothing can be mounted here: {os.strerror(ctypes.get_errno())}")
        yield point
    finally:
        # ends what waits: the kernel aborts the connection
        os.close(server)
        subprocess.run([require("umount"), "--lazy", str(point)], check=False)


@contextmanager
def _mounted(point: Path, *arguments: str) -> Iterator[None]:
    if os.geteuid() != 0:
        missing("only root can mount")
    mounted = subprocess.run([require("mount"), *arguments, str(point)], capture_output=True, text=True, check=False)
    if mounted.returncode != 0:
        missing(f"nothing can be mounted here: {mounted.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run([require("umount"), "--lazy", str(point)], check=True)


def remount_read_only(path: Path) -> None:
    subprocess.run([require("mount"), "-o", "remount,ro", str(path)], check=True)


@contextmanager
def flagged(path: Path, flag: str) -> Iterator[Path]:
    """Give `path` the flag "i" (immutable) or "a" (append-only); skips where that is not possible."""
    given = subprocess.run([require("chattr"), f"+{flag}", str(path)], capture_output=True, text=True, check=False)
    if given.returncode != 0:
        missing(f"no flags can be given here: {given.stderr.strip()}")
    try:
        yield path
    finally:
        subprocess.run([require("chattr"), f"-{flag}", str(path)], check=True)
