"""Trees with attributes, packed as a backup packs them and unpacked by GNU tar."""

import errno
import os
import subprocess
from pathlib import Path

from backups.components.base import ExportContext
from backups.components.files.component import FilesComponent
from tests.support.programs import missing, require


def packed(live: Path, folder: Path) -> Path:
    FilesComponent("data", live, member="data").export(ExportContext(folder, 1.0, lambda _: None))
    return folder / "data.tar"


def unpacked_by_tar(archive: Path, folder: Path) -> Path:
    """Unpack with the stock program, which must have nothing to say."""
    folder.mkdir()
    run = subprocess.run(
        # it finds times before 1970 implausible
        [require("tar"), "-xpf", archive, "-C", folder, "--xattrs", "--xattrs-include=*", "--acls", "--numeric-owner",
         "--warning=no-timestamp"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (run.returncode, run.stderr) == (0, "")
    return folder


def with_attribute(path: Path, name: str, value: bytes) -> None:
    try:
        os.setxattr(path, name, value, follow_symlinks=False)
    except OSError as error:
        if error.errno in (errno.ENOTSUP, errno.EPERM):
            missing(f"this file system or user has no {name}")
        raise
