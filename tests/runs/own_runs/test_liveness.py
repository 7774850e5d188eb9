"""What tells that the process of a run lives: its lock, its pid, its heartbeat."""

import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from backups.lib.locks import Holder, holder_of, is_local
from backups.lib.processes import identity
from backups.models import BackupExecution, RestoreExecution
from backups.runs import workspace
from backups.runs.recovery import liveness
from backups.runs.recovery.reap import reap
from tests.support.programs import missing
from tests.support.restores.instance_restores import queue

pytestmark = pytest.mark.django_db(transaction=True)


def an_own_restore(backup: BackupExecution, **fields: object) -> RestoreExecution:
    """Return a row as another process leaves it, with no workspace here."""
    row = queue(backup)
    RestoreExecution.objects.filter(pk=row.pk).update(owner="process", worker="vm:4711", **fields)
    row.refresh_from_db()
    return row


def test_where_there_is_no_lock_a_pid_tells_only_in_its_own_boot_and_namespace(backup: BackupExecution) -> None:
    boot, namespace, pid, began = identity().split("/")
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    gone = f"{boot}/{namespace}/{process.pid}/1"
    now = timezone.now()
    for who, ended in {
        f"{boot}/{namespace}/{pid}/{began}": False,
        f"{boot}/{namespace}/{pid}/1": True,  # its number is another one's by now
        f"{boot}/1234567890/{process.pid}/1": False,
        f"another-boot/{namespace}/{process.pid}/1": False,
        gone: True,
    }.items():
        row = an_own_restore(backup, process=who, reserved_at=now)
        assert ([run.pk for run in reap()] == [row.pk]) == ended, who
        row.delete()
    row = an_own_restore(backup, process="another-boot/1/1/1", reserved_at=now - timedelta(minutes=3))
    assert [run.pk for run in reap()] == [row.pk], "its reservation is old"


def test_a_zombie_is_gone() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        who = identity(process.pid)
        assert not liveness.is_gone(who)
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert liveness.is_gone(who)
    assert liveness.is_gone(who)


def test_a_lock_of_another_kernel_tells_nothing_where_hosts_may_share_the_file_system(
    backup: BackupExecution, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = queue(backup)
    RestoreExecution.objects.update(owner="process", process="another-boot/1/1/1", reserved_at=timezone.now())
    (home / "workspaces" / f"{here.pk}.lock").touch()
    with monkeypatch.context() as patch:
        patch.setattr(workspace, "is_local", lambda: False)
        assert reap() == []
    assert [run.pk for run in reap()] == [here.pk], "a disk of this host alone was mounted by no other since its boot"


@pytest.mark.parametrize(
    ("kind", "local"), [("ext4", True), ("overlay", True), ("nfs4", False), ("cifs", False), ("fuse.sshfs", False)]
)
def test_file_systems_that_other_hosts_may_have_too_are_known_by_their_kind(
    kind: str, local: bool, tmp_path: Path
) -> None:
    device = tmp_path.stat().st_dev
    mounts = tmp_path / "mountinfo"
    mounts.write_text(
        "1 1 0:999 / /other rw - nfs4 server:/ rw\n"
        f"2 1 {os.major(device)}:{os.minor(device)} / / rw,relatime shared:1 master:2 - {kind} source rw\n"
    )
    assert is_local(tmp_path, mounts) == local


def test_a_lock_of_another_user_tells_nothing(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        missing("only root can be another user")
    lock = tmp_path / "run.lock"
    lock.touch(mode=0o600)
    assert holder_of(lock) is Holder.GONE
    if (child := os.fork()) == 0:
        os.setuid(65534)
        os._exit(0 if holder_of(lock) is Holder.HIDDEN else 1)
    assert os.waitpid(child, 0)[1] == 0
