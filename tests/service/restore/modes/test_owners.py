"""Owners that this host knows by another number, or not at all."""

import os
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from backups.archive.manifest.permissions import Permissions
from backups.lib.filesystem.ownership import ownership_for
from tests.support.processes.unprivileged_user import NOBODY, open_way, run_as_nobody
from tests.support.programs import missing, require

pytestmark = pytest.mark.django_db
ROOT = Permissions(0o640, 0, 0, "root", "root")


def test_an_owner_is_known_by_name_then_by_a_number_that_nobody_else_bears(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        missing("only root can give files away")
    os.chown(tmp_path, 4321, 4322)
    holder = tmp_path.stat()

    def given(**changes: object) -> tuple[int, int, int]:
        wanted = ownership_for(replace(ROOT, **changes), holder)  # type: ignore[arg-type]
        return wanted.mode, wanted.uid, wanted.gid

    assert given(user="nobody", uid=12345) == (0o640, NOBODY, 0)
    assert given(user="nobody-here", uid=54321) == (0o640, 54321, 0)
    assert given(user=None, uid=NOBODY) == (0o640, NOBODY, 0)
    # the number of another user: the owner of the folder, never that user
    assert given(user="nobody-here", uid=NOBODY) == (0o640, 4321, 0)
    # the number of another group: its members get no more than everybody
    assert given(group="no-such-group", gid=1) == (0o600, 0, 4322)
    assert given(group="no-such-group", gid=1, mode=0o664) == (0o644, 0, 4322)
    assert given(group="no-such-group", gid=1, mode=0o604) == (0o600, 0, 4322)


AS_NOBODY = """
import os, stat, sys
from pathlib import Path
from backups.archive.manifest.permissions import Permissions
from backups.lib.filesystem.atomic import replace_file
os.setgroups([1]); os.setgid({nobody}); os.setuid({nobody}); os.umask(0)
source, folder = Path(sys.argv[1]), Path(sys.argv[2])
for name, permissions in {{
    "of-root": Permissions(0o640, 0, 0, "root", "root"),
    "of-a-group-of-mine": Permissions(0o640, 0, 1, "root", "daemon"),
    "of-mine": Permissions(0o640, {nobody}, {nobody}, "nobody", "nogroup"),
    "unknown": None,
}}.items():
    notes = replace_file(source, folder / name, permissions=permissions)
    info = (folder / name).stat()
    print(name, oct(stat.S_IMODE(info.st_mode)), info.st_uid, info.st_gid, len(notes))
"""


def test_whoever_cannot_give_files_away_opens_them_to_no_other_group(tmp_path: Path) -> None:
    open_way(tmp_path)
    folder = tmp_path / "service"
    folder.mkdir()
    os.chown(folder, NOBODY, NOBODY)
    (tmp_path / "source").write_text("secret")
    (tmp_path / "source").chmod(0o644)
    assert run_as_nobody(AS_NOBODY, str(tmp_path / "source"), str(folder)).splitlines() == [
        f"of-root 0o600 {NOBODY} {NOBODY} 1",
        f"of-a-group-of-mine 0o640 {NOBODY} 1 1",
        f"of-mine 0o640 {NOBODY} {NOBODY} 0",
        f"unknown 0o600 {NOBODY} {NOBODY} 1",
    ]


def test_a_file_system_that_refuses_a_change_of_mode_where_none_is_needed_is_no_obstacle(tmp_path: Path) -> None:
    """As CIFS does: every file has the mode that the mount says."""
    source = tmp_path / "source"
    source.write_bytes(b"new")
    target = tmp_path / "target"
    target.write_bytes(b"old")
    target.chmod(0o600)
    strace = require("strace")
    program = (
        "import sys; from pathlib import Path; from backups.lib.filesystem.atomic import replace_file; "
        "replace_file(Path(sys.argv[1]), Path(sys.argv[2]))"
    )
    run = subprocess.run(
        [strace, "-f", "-e", "inject=fchmod:error=EPERM", "-o", tmp_path / "trace", sys.executable, "-c", program,
         source, target],
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert target.read_bytes() == b"new"


def test_an_owner_that_a_container_does_not_know_is_no_reason_to_fail(tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(b"new")
    strace = require("strace")
    program = (
        "import sys; from pathlib import Path; from backups.archive.manifest.permissions import Permissions;"
        "from backups.lib.filesystem.atomic import replace_file;"
        "print(replace_file(*map(Path, sys.argv[1:]), permissions=Permissions(0o640, 4321, 4321)))"
    )
    run = subprocess.run(
        [strace, "-f", "-e", "inject=fchown:error=EINVAL", "-o", tmp_path / "trace", sys.executable, "-c", program,
         tmp_path / "source", tmp_path / "target"],
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert stat.S_IMODE((tmp_path / "target").stat().st_mode) == 0o600
    assert "it had mode 0640, owner 4321:4321" in run.stdout
