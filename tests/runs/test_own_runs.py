"""Runs that a process makes for itself: no worker takes them, and they end with that process."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError
from django.db.models.signals import post_save
from django.utils import timezone
from pytest_django import Settings

from backups.errors import NotQueued
from backups.lib.locks import Holder, holder_of, is_local
from backups.lib.processes import identity
from backups.models import BackupExecution, DrillExecution, RestoreExecution, Run
from backups.runs import execute, finish, workspace
from backups.runs.claim import claim
from backups.runs.recovery import liveness
from backups.runs.recovery.reap import reap
from backups.service.backup.run import backup_now
from backups.service.drill.run import drill, verify_backup
from backups.service.restore.request import RestoreRequest
from backups.service.restore.start import restore_now, start_restore
from backups.worker import tasks
from backups.worker.tick import tick
from destinations.lib.operator_error import sentences
from destinations.models import BackupDestination
from tests.support.databases.sqlite_files import rows_of
from tests.support.paths import PROJECT
from tests.support.processes.project_programs import environment, manage
from tests.support.programs import missing, require
from tests.support.restores.instance_restores import queue
from tests.support.site_fixtures import BackUp
from tests.support.sites.worker_site import eventually

pytestmark = pytest.mark.django_db(transaction=True)
Listing = Callable[[], list[str]]
# a command of manage.py whose process gets a signal right before it claims its run
SIGNALLED = """
import os, sys, time
os.environ["DJANGO_SETTINGS_MODULE"] = "backupsite.settings"
import django
django.setup()
from backups.runs import execute
claim = execute.claim
def claim_after_signal(run):
    if run.noun == "{noun}":
        print("made", flush=True)
        os.kill(os.getpid(), {number})
        time.sleep(0.05)
    return claim(run)
execute.claim = claim_after_signal
from django.core.management import execute_from_command_line
execute_from_command_line(["manage.py", *{arguments!r}])
"""
MODELS = {
    "backup": BackupExecution,
    "restore": RestoreExecution,
    "drill": DrillExecution,
    "verifybackup": DrillExecution,
}


@pytest.fixture
def backup(store: Path, back_up: BackUp) -> BackupExecution:
    return back_up("store")


@pytest.fixture
def signalled(home: Path, backup: BackupExecution) -> Iterator["Signalled"]:
    with ExitStack() as processes:
        yield Signalled(home, backup, processes)


class Signalled:
    """Commands whose process gets a signal between the making and the claim of its run."""

    def __init__(self, home: Path, backup: BackupExecution, processes: ExitStack) -> None:
        self.home, self.backup, self.processes = home, backup, processes

    def start(self, command: str, number: int, *before: str, **more: str) -> "subprocess.Popen[str]":
        """Return the process when the signal was sent."""
        what = {"restore": [self.backup.pk, "--confirm", "--accept-unsigned"], "backup": ["store"]}
        arguments = [command, *what.get(command, [self.backup.pk])]
        script = SIGNALLED.format(noun=MODELS[command].noun, number=int(number), arguments=arguments)
        process = subprocess.Popen(
            [*before, sys.executable, "-c", script], cwd=PROJECT, env=environment(self.home, **more),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        self.processes.enter_context(process)
        self.processes.callback(process.kill)
        assert process.stdout is not None
        lines = [process.stdout.readline()]
        while lines[-1] not in ("made\n", ""):
            lines.append(process.stdout.readline())
        assert lines[-1] == "made\n", lines
        return process

    def kill(self, command: str) -> Run:
        """Kill the process of `command`, and return the row that it leaves."""
        assert self.start(command, signal.SIGKILL).wait(30) == -signal.SIGKILL
        return row_of(command)


def row_of(command: str) -> Run:
    return MODELS[command]._default_manager.latest("created_at")


@pytest.mark.parametrize("command", MODELS)
def test_a_command_that_is_killed_before_it_begins_leaves_nothing_for_a_worker(
    command: str, signalled: Signalled, store: Path, workspaces: Listing
) -> None:
    (store / "uploads" / "one.bin").write_bytes(b"later")
    row = signalled.kill(command)
    assert (row.status, row.owner) == ("queued", "process")
    type(row)._default_manager.update(rang_at=timezone.now(), created_at=timezone.now() - timedelta(minutes=5))

    assert getattr(tasks, row.noun)(row.pk) == "nothing waits"

    assert f"{row.noun} {row.pk} interrupted" in tick()
    row.refresh_from_db()
    assert (
        row.error_message == f"The process that was to run it ({row.worker}) died before it began. Nothing was changed."
    )
    assert row.error_hint
    assert workspaces() == ["places", "tick-backups"]
    assert (store / "uploads" / "one.bin").read_bytes() == b"later"


@pytest.mark.parametrize("command", ["backup", "restore"])
def test_the_next_command_ends_what_a_dead_one_left_and_does_not_wait_for_it(
    command: str, signalled: Signalled, home: Path
) -> None:
    dead = signalled.kill(command)
    options = ["--confirm", "--accept-unsigned"] if command == "restore" else []

    ended = manage(home, command, signalled.backup.pk if command == "restore" else "store", *options)

    assert ended.returncode == 0, ended.stderr
    dead.refresh_from_db()
    assert dead.status == "interrupted"
    assert row_of(command).status == "completed"


def test_a_page_queues_a_restore_at_once_when_a_command_left_a_dead_one(signalled: Signalled) -> None:
    dead = signalled.kill("restore")
    again = queue(signalled.backup)
    dead.refresh_from_db()
    assert (dead.status, again.status, again.owner) == ("interrupted", "queued", "queue")


@pytest.mark.parametrize("command", MODELS)
def test_while_its_process_lives_it_is_neither_taken_nor_ended(command: str, signalled: Signalled) -> None:
    process = signalled.start(command, signal.SIGSTOP)
    row = row_of(command)
    type(row)._default_manager.filter(pk=row.pk).update(reserved_at=timezone.now() - timedelta(days=1))

    assert reap() == []
    with pytest.raises(NotQueued, match=f"belongs to the process that created it \\({row.worker}\\)"):
        claim(row)

    process.kill()
    process.wait()
    assert [run.pk for run in reap()] == [row.pk]


def test_a_stopped_command_whose_run_was_ended_meanwhile_does_nothing_when_it_goes_on(
    signalled: Signalled, store: Path, settings: Settings
) -> None:
    (store / "uploads" / "one.bin").write_bytes(b"later")
    process = signalled.start("restore", signal.SIGSTOP)
    RestoreExecution.objects.update(created_at=timezone.now() - timedelta(minutes=16))
    assert [run.status for run in reap()] == ["failed"]

    process.send_signal(signal.SIGCONT)

    said = process.communicate(timeout=60)[0]
    assert process.returncode == 1
    assert "Its confirmation expired" in said
    assert (store / "uploads" / "one.bin").read_bytes() == b"later"


@pytest.mark.parametrize(("command", "number"), list(zip(MODELS, [signal.SIGTERM, signal.SIGINT] * 2, strict=True)))
def test_a_command_that_is_told_to_end_before_it_begins_ends_its_row_itself(
    command: str, number: int, signalled: Signalled, workspaces: Listing
) -> None:
    process = signalled.start(command, number)
    process.communicate(timeout=60)
    row = row_of(command)
    assert row.status == "interrupted"
    assert row.error_message.endswith(". Nothing was changed.")
    assert workspaces() == []


def test_each_way_to_run_one_here_holds_its_lock_before_its_row_is_there(
    backup: BackupExecution, destination: BackupDestination
) -> None:
    seen: list[tuple[str, str, Holder]] = []

    def look(sender: type[Run], instance: Run, created: bool, **_: Any) -> None:
        if created and issubclass(sender, Run):
            kind = getattr(instance, "kind", "restore")
            seen.append((kind, instance.owner, workspace.holder_of(instance.pk)))

    post_save.connect(look)
    try:
        backup_now("store", destination, by="tests")
        verify_backup(backup, by="tests")
        drill(backup, by="tests")
        restore_here(backup)
    finally:
        post_save.disconnect(look)

    kinds = ["manual", "verification", "drill", "restore", "safety"]
    assert seen == [(kind, "process", Holder.LIVING) for kind in kinds]
    assert not RestoreExecution.objects.exclude(status="completed").exists()


def test_an_error_of_the_database_before_the_claim_leaves_no_row_waiting(
    backup: BackupExecution, monkeypatch: pytest.MonkeyPatch, workspaces: Listing
) -> None:
    full = OperationalError("database or disk is full")
    monkeypatch.setattr(execute, "claim", lambda _run: (_ for _ in ()).throw(full))
    with pytest.raises(OperationalError):
        restore_here(backup)
    row = RestoreExecution.objects.get()
    assert row.status == "interrupted"
    assert row.error_message == sentences(finish.message_of(full), "Nothing was changed.")


def test_a_row_that_could_not_even_be_ended_is_ended_by_the_next_reap_though_its_process_lives(
    backup: BackupExecution, monkeypatch: pytest.MonkeyPatch, workspaces: Listing
) -> None:
    full = OperationalError("database or disk is full")
    with monkeypatch.context() as patch:
        patch.setattr(execute, "claim", lambda _run: (_ for _ in ()).throw(full))
        patch.setattr(execute.finish, "fail_to_start", lambda *_: (_ for _ in ()).throw(full))
        with pytest.raises(OperationalError):
            restore_here(backup)
    row = RestoreExecution.objects.get()
    assert (row.status, row.process) == ("queued", identity())
    assert [run.pk for run in reap()] == [row.pk]
    assert workspaces() == []


def restore_here(backup: BackupExecution) -> None:
    """Restore `backup` in this process."""
    confirmed = RestoreRequest(source=backup, instance="store", archive_sha256=backup.archive_sha256)
    restore_now(lambda run_id: start_restore(confirmed, by="tests", run_id=run_id), "store", by="tests")


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


@pytest.mark.parametrize("shared", [True, False])
def test_a_process_of_another_pid_namespace_is_seen_by_its_lock_or_by_its_heartbeat(
    shared: bool, signalled: Signalled, tmp_path: Path
) -> None:
    if os.geteuid() != 0:
        missing("only root can make a pid namespace")
    # the first process of a namespace gets no signal from within it
    second = ["sh", "-c", '"$@"; exit $?', "sh"]
    unshare = [require("unshare"), "--pid", "--fork", "--mount-proc", "--kill-child", *second]
    more = {} if shared else {"BACKUP_WORKSPACE_ROOT": str(tmp_path / "elsewhere")}
    process = signalled.start("restore", signal.SIGSTOP, *unshare, **more)
    row = RestoreExecution.objects.get()
    assert row.process.split("/")[1] != identity().split("/")[1]
    assert reap() == []

    process.kill()
    process.wait()

    if not shared:
        assert reap() == [], "it cannot be told from here yet"
        RestoreExecution.objects.update(reserved_at=timezone.now() - timedelta(minutes=3))
    # the namespace ends with its first process, a moment after that
    assert [run.pk for run in eventually(reap)] == [row.pk]


def test_a_safety_backup_whose_restore_is_killed_before_it_begins_is_for_no_worker(
    signalled: Signalled, home: Path, store: Path
) -> None:
    script = SIGNALLED.format(
        noun="backup", number=int(signal.SIGKILL),
        arguments=["restore", signalled.backup.pk, "--confirm", "--accept-unsigned"],
    )  # fmt: skip
    subprocess.run([sys.executable, "-c", script], cwd=PROJECT, env=environment(home), check=False, timeout=60)
    safety = BackupExecution.objects.get(kind="safety")
    assert (safety.status, safety.owner, safety.pinned) == ("queued", "process", True)
    BackupExecution.objects.update(created_at=timezone.now() - timedelta(minutes=5))
    assert tasks.backup(safety.pk) == "nothing waits"
    assert {run.noun for run in reap()} == {"backup", "restore"}
    assert rows_of(store / "orders.db")
    assert BackupExecution.objects.get(pk=safety.pk).status == finish.Status.INTERRUPTED
