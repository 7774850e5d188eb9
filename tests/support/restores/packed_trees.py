"""Trees of files, packed as a backup packs them."""

import os
from pathlib import Path

import pytest

from backups.components.base import ExportContext
from backups.components.files.component import FilesComponent

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away and mount")


def component_of(path: Path) -> FilesComponent:
    return FilesComponent("files", path, member="files")


def packed(path: Path, folder: Path) -> Path:
    folder.mkdir()
    component_of(path).export(ExportContext(folder, 1.0, lambda _: None))
    return folder / "files.tar"
