"""Processes that die in the middle of a backup, at any moment. What they leave is found, and nothing is lost."""

import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone
from pytest_django import Settings

from backups.errors import InstanceBusy
from backups.models import BackupExecution
from backups.runs.claim import claim
from backups.runs.recovery.reap import reap, tidy
from backups.service.backup.run import run_backup
from backups.service.backup.settle import NOTE, RETRY, settle_uploads
from backups.service.backup.start import start_backup
from backups.service.drill.run import verify_backup
from destinations.models import BackupDestination
from tests.support.archives.stored import file_of
from tests.support.databases.sqlite_files import make_database
from tests.support.processes.project_programs import Forks, start
from tests.support.site_fixtures import Declare
from tests.support.soak import often

Listing = Callable[[], list[str]]
pytestmark = pytest.mark.django_db(transaction=True)
ROUNDS = often(9)


@pytest.fixture
def shop(tmp_path: Path, declare: Declare) -> Path:
    """An instance whose backup takes long enough to be hit in every stage."""
    root = tmp_path / "shop"
    root.mkdir()
    make_database(root / "orders.db", rows=16, blob_bytes=1_000_000)
    declare(
        f'[shop]\nkind = "generic"\nroot = "{root}"\n[shop.components.orders]\nkind = "sqlite"\npath = "orders.db"\n'
    )
    return root


@pytest.fixture
def forks(shop: Path, home: Path, destination: BackupDestination) -> Iterator[Forks]:
    with Forks(home) as forks:
        yield forks


@pytest.fixture
def begin(forks: Forks, destination: BackupDestination) -> "Begin":
    """Return a function that starts a backup in a process of its own, and waits until it has begun."""

    def run() -> tuple[BackupExecution, int]:
        execution = start_backup("shop", destination, by="tests")
        return execution, forks.begin(execution.pk)

    return run


Begin = Callable[[], tuple[BackupExecution, int]]


def duration_of(begin: Begin, forks: Forks) -> float:
    """Return the seconds that one whole backup takes from its first stage to the end of its process."""
    begin()
    began = time.monotonic()
    assert forks.wait() == 0
    return time.monotonic() - began


def assert_only_whole_archives(archives: Listing, workspaces: Listing) -> None:
    completed = BackupExecution.objects.filter(status="completed")
    assert archives() == sorted(f"nas/{execution.backup_path}" for execution in completed)
    assert all(file_of(execution).with_name(f"{execution.backup_filename}.minisig").exists() for execution in completed)
    assert workspaces() == []
    assert not BackupExecution.objects.filter(status__in=["queued", "running"]).exists()


@pytest.mark.soak
def test_a_process_killed_at_any_moment_leaves_nothing_behind(
    begin: Begin, forks: Forks, archives: Listing, workspaces: Listing
) -> None:
    # of a busy machine the first one may take much longer than all others, which would then be killed too late
    duration = min(duration_of(begin, forks) for _ in range(2))
    chance = random.Random(2026)
    ended: list[str] = []
    for number in range(ROUNDS):
        execution, pid = begin()
        time.sleep(duration * (number + chance.random()) / ROUNDS)
        with suppress(ProcessLookupError):  # it was quicker this time
            os.kill(pid, signal.SIGKILL)
        forks.wait()
        reap()
        tidy()
        execution.refresh_from_db()
        assert_only_whole_archives(archives, workspaces)
        assert execution.status in ("interrupted", "completed")
        if execution.status == "completed":
            verify_backup(execution, by="tests")
        else:
            assert execution.error_message.startswith(f"The process that ran it ({execution.worker}) died in stage")
            assert execution.error_hint
            ended.append(execution.stage)
    assert len(set(ended)) >= 3, f"killed in different stages: {ended}"


VICTIM = """
import os, signal, sys
os.environ["DJANGO_SETTINGS_MODULE"] = "backupsite.settings"
import django
django.setup()
from importlib import import_module
from backups.service.backup.run import run_backup
setattr(import_module("{module}"), "{name}", lambda *_: os.kill(os.getpid(), signal.{signal}))
run_backup(sys.argv[1])
"""


def die_at(home: Path, execution: BackupExecution, module: str, name: str, how: str = "SIGKILL") -> int:
    """Run a backup in a process that ends in the moment it would call that function."""
    process = start(home, "-c", VICTIM.format(module=module, name=name, signal=how), execution.pk)
    process.communicate(timeout=60)
    return process.returncode


@pytest.mark.parametrize(
    ("module", "name"), [("backups.service.backup.upload", "record"), ("backups.runs.finish", "complete")]
)
def test_an_archive_that_was_uploaded_whole_is_not_lost_with_its_process(
    shop: Path, home: Path, destination: BackupDestination, archives: Listing, workspaces: Listing,
    module: str, name: str,
) -> None:  # fmt: skip
    execution = start_backup("shop", destination, by="tests")
    assert die_at(home, execution, module, name) == -signal.SIGKILL
    assert BackupExecution.objects.get().status == "running"
    assert [run.pk for run in reap()] == [execution.pk]
    tidy()
    execution.refresh_from_db()
    assert execution.status == "completed"
    assert execution.warnings == [NOTE]
    assert verify_backup(execution, by="tests").databases == 1
    assert_only_whole_archives(archives, workspaces)


def test_an_archive_that_was_changed_since_then_is_not_taken_for_the_backup(
    shop: Path, home: Path, destination: BackupDestination
) -> None:
    execution = start_backup("shop", destination, by="tests")
    die_at(home, execution, "backups.service.backup.upload", "record")
    execution.refresh_from_db()
    archive = home / "backups" / "nas" / execution.planned_path
    archive.write_bytes(archive.read_bytes()[:-1] + b"!")
    reap()
    tidy()
    execution.refresh_from_db()
    assert (execution.status, execution.backup_path) == ("interrupted", "")


def test_a_process_that_is_told_to_end_ends_in_order(
    begin: Begin, forks: Forks, archives: Listing, workspaces: Listing
) -> None:
    duration = duration_of(begin, forks)
    statuses = []
    for number in range(5):
        execution, pid = begin()
        time.sleep(duration * number / 5)
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
        code = forks.wait()
        execution.refresh_from_db()
        statuses.append(execution.status)
        reap()  # for the round in which it was told while it cleaned up after its end
        tidy()
        assert_only_whole_archives(archives, workspaces)
        if execution.status == "interrupted":
            assert code == 128 + signal.SIGTERM, forks.log
            assert execution.error_message == "The process was told to end."
    assert "interrupted" in statuses
    assert set(statuses) <= {"interrupted", "completed"}


def test_the_next_backup_does_not_wait_for_a_reaper(begin: Begin, forks: Forks, destination: BackupDestination) -> None:
    dead, pid = begin()
    os.kill(pid, signal.SIGKILL)
    forks.wait()
    execution = run_backup(start_backup("shop", destination, by="tests").pk)
    assert execution.status == "completed"
    dead.refresh_from_db()
    assert dead.status == "interrupted"


def test_a_backup_that_lives_is_left_alone(begin: Begin, forks: Forks, destination: BackupDestination) -> None:
    execution, pid = begin()
    try:
        os.kill(pid, signal.SIGSTOP)
        assert reap() == []
        with pytest.raises(InstanceBusy, match=r"^Another backup of shop is running\.$"):
            run_backup(start_backup("shop", destination, by="tests").pk)
    finally:
        os.kill(pid, signal.SIGCONT)
    assert forks.wait() == 0
    execution.refresh_from_db()
    assert execution.status == "completed"


def test_a_backup_on_another_host_is_ended_when_its_heartbeat_stopped_for_long(
    shop: Path, home: Path, destination: BackupDestination, settings: Settings
) -> None:
    execution = start_backup("shop", destination, by="tests")
    claim(execution)
    now = timezone.now()
    for seconds, ended in ((settings.BACKUP_HEARTBEAT_TIMEOUT, False), (settings.BACKUP_HEARTBEAT_TIMEOUT * 11, True)):
        BackupExecution.objects.update(worker="elsewhere:1", heartbeat_at=now - timedelta(seconds=seconds))
        assert [run.pk for run in reap()] == ([execution.pk] if ended else [])
    execution.refresh_from_db()
    assert (execution.status, execution.error_message) == (
        "interrupted", "The process that ran it (elsewhere:1) died in stage waiting.",
    )  # fmt: skip


def test_a_destination_that_is_away_does_not_keep_a_dead_backup_running(
    shop: Path, home: Path, destination: BackupDestination
) -> None:
    execution = start_backup("shop", destination, by="tests")
    die_at(home, execution, "backups.service.backup.upload", "record")
    (home / "backups").rename(home / "away")
    reap()
    tidy()
    execution.refresh_from_db()
    assert execution.status == "interrupted"
    (home / "away").rename(home / "backups")
    assert settle_uploads(now=timezone.now()) == []
    assert len(settle_uploads(now=timezone.now() + RETRY)) == 1
    execution.refresh_from_db()
    assert execution.status == "completed"
