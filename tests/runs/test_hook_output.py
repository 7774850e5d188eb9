"""Where the output of a hook goes: never into the folder for temporary files, which anything may have filled."""

import tempfile
from pathlib import Path

import pytest

from backups.runs import hooks
from tests.destinations.test_database_errors import fill
from tests.support.file_systems import small_disk
from tests.support.site_fixtures import BackUp, Declare

SERVICE = """
[files]
kind = "generic"
root = "{root}"
[files.components.file]
kind = "files"
path = "file"
[files.hooks]
after_backup = ["/bin/sh", "-c", "echo something to keep && echo more"]
"""


@pytest.mark.django_db
@pytest.mark.parametrize("in_memory", [False, True])
def test_a_hook_prints_though_the_folder_for_temporary_files_is_full(
    in_memory: bool, tmp_path: Path, declare: Declare, back_up: BackUp, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_bytes(b"x")
    declare(SERVICE.format(root=tmp_path))
    if in_memory:
        # more than any disk has
        monkeypatch.setattr(hooks, "DISK_LIMIT", 1 << 62)
    with small_disk(tmp_path / "full", megabytes=0.25) as full:
        fill(full)
        monkeypatch.setattr(tempfile, "tempdir", str(full))
        backup = back_up("files")
    (note,) = backup.hook_output
    assert (note["exit_code"], note["output"]) == (0, "something to keep\nmore\n")
    assert backup.warnings == []
