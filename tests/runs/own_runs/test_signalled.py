"""Runs that a process makes for itself: no worker takes them, and they end with that process."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone
from pytest_django import Settings

from backups.errors import NotQueued
from backups.lib.processes import identity
from backups.models import BackupExecution, DrillExecution, RestoreExecution, Run
from backups.runs import finish
from backups.runs.claim import claim
from backups.runs.recovery.reap import reap
from backups.worker import tasks
from backups.worker.tick import tick
from tests.support.databases.sqlite_files import rows_of
from tests.support.paths import PROJECT
from tests.support.processes.prepared import Prepared
from tests.support.processes.project_programs import environment, manage
from tests.support.programs import missing, require
from tests.support.restores.instance_restores import queue
from tests.support.site_fixtures import Listing
from tests.support.sites.worker_site import eventually

pytestmark = pytest.mark.django_db(transaction=True)
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
        process = Prepared(
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
    assert workspaces() == ["notify", "places", "retention-backups", "settle-backups", "tick-backups"]
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
