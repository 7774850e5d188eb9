"""What /proc shows to whom, and how long it takes."""

import os
from pathlib import Path

import pytest

from backups.instances import process_scan as proc
from backups.instances.process_scan import ProcessFilter, processes
from tests.support.processes.database_server import seen, server
from tests.support.processes.unprivileged_user import NOBODY, open_way, run_as_nobody
from tests.support.site_fixtures import BackUp

pytestmark = pytest.mark.django_db


def test_of_a_process_of_another_user_root_sees_everything_and_that_user_nothing_of_ours(
    root: Path, other: Path, tmp_path: Path
) -> None:
    open_way(tmp_path)
    for path in (other, root / "data/local_auth.db", other.parent, root / "data"):
        os.chown(path, NOBODY, NOBODY)
    with server(root / "data/local_auth.db", other, cwd=root, RUN_AS=NOBODY, TACACS_DEVICES_DATABASE=other):
        assert seen() == [("devices", True)]


LOOK = """
import os, sys
from pathlib import Path
from backups.instances.process_scan import ProcessFilter, processes
os.setgroups([]); os.setgid({nobody}); os.setuid({nobody})
names = [["devices.db", "local_auth.db"], ["tacacs.conf"], ["TACACS_DEVICES_DATABASE"]]
for process in processes(ProcessFilter(frozenset([Path(sys.argv[1])]), *map(frozenset, names))):
    if str(process.pid) == sys.argv[2]:
        print(process.folder, process.files, dict(process.environment))
"""


def test_what_may_not_be_looked_at_is_not_claimed(root: Path, other: Path, tmp_path: Path) -> None:
    """Its command line can be read by everybody, its files and its environment cannot, as with hidepid=1 for all."""
    open_way(tmp_path)
    config = root / "config/tacacs.conf"
    with server(root / "data/local_auth.db", other, cwd=root, config=config, TACACS_DEVICES_DATABASE=other) as running:
        assert run_as_nobody(LOOK, str(root), str(running.pid)) == "/ () {}"


def test_without_proc_nothing_is_claimed_and_nothing_fails(
    root: Path, other: Path, tmp_path: Path, back_up: BackUp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proc, "PROC", tmp_path / "no-proc")
    with server(root / "data/local_auth.db", other, cwd=root, TACACS_DEVICES_DATABASE=other):
        assert back_up().warnings == []


def test_a_look_at_thousands_of_processes_ends_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = tmp_path / "proc"
    for pid in range(1, 3001):
        folder = fake / str(pid)
        (folder / "fd").mkdir(parents=True)
        (folder / "cmdline").write_bytes(b"server\0")
        (folder / "cwd").symlink_to("/")
    monkeypatch.setattr(proc, "PROC", fake)
    looked = []
    clock = iter(range(10_000))
    monkeypatch.setattr(proc.time, "monotonic", lambda: looked.append(1) or next(clock) / 100)
    interest = ProcessFilter(frozenset([Path("/srv")]), frozenset(["x.db"]), frozenset(), frozenset())
    assert processes(interest, seconds=3.0) == []
    # a hundredth of a second for each look: it stops after three seconds
    assert 300 <= len(looked) <= 3003
