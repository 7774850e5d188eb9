"""Restores and backups of one instance at once: one runs, the others say so and run when it has ended."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from django.db import connection

from backups.errors import BackupError, InstanceBusy
from backups.models import BackupExecution, RestoreExecution, Run
from backups.service.backup.run import run_backup
from backups.service.backup.start import start_backup
from backups.service.restore.run import run_restore
from destinations.models import BackupDestination
from tests.support.restores.instance_restores import queue
from tests.support.site_fixtures import BackUp

pytestmark = pytest.mark.django_db(transaction=True)
Declare = Callable[[str], None]
Hold = Callable[[Run], AbstractContextManager[None]]
PATIENCE_SECONDS = 30


@pytest.fixture
def backup(tacacs_root: Path, back_up: BackUp) -> BackupExecution:
    return back_up()


@pytest.fixture
def hold(backup: BackupExecution, home: Path, declare: Declare) -> Hold:
    """Return a function that runs a run in another thread and keeps it in its hook as long as the block lasts."""
    reached, go_on = home / "reached", home / "go-on"
    text = (home / "instances.toml").read_text()

    @contextmanager
    def held(run: Run) -> Iterator[None]:
        # its safety backup has a hook too
        mine = f"test $BACKUPSITE_RUN = {run.pk} || exit 0"
        wait = f'["sh", "-c", "{mine}; touch {reached}; until test -e {go_on}; do sleep 0.02; done"]'
        declare(f"{text}[tacacs-hq.hooks]\nbefore_restore = {wait}\nafter_backup = {wait}\n")
        thread = threading.Thread(target=_run, args=(run,))
        thread.start()
        until = time.monotonic() + PATIENCE_SECONDS
        while not reached.exists():
            assert time.monotonic() < until
            time.sleep(0.01)
        try:
            yield
        finally:
            go_on.touch()
            thread.join()
            run.refresh_from_db()

    return held


def _run(run: Run) -> None:
    try:
        run_backup(run.pk) if isinstance(run, BackupExecution) else run_restore(run.pk)
    finally:
        connection.close()


def test_a_second_restore_says_that_it_is_busy_and_runs_afterwards(backup: BackupExecution, hold: Hold) -> None:
    first = queue(backup)
    with pytest.raises(InstanceBusy, match=rf"^A restore of tacacs-hq is waiting already: {first.pk}\.$") as waiting:
        queue(backup)
    assert waiting.value.hint.startswith("A worker will run it.")
    assert waiting.value.option == f"--cancel {first.pk}"
    with hold(first):
        with pytest.raises(InstanceBusy, match=rf"^Another restore of tacacs-hq is running: {first.pk}\.$"):
            queue(backup, components=["devices"])
        # one that a worker took up meanwhile
        second = RestoreExecution.objects.create(
            instance="tacacs-hq", execution=backup, archive_sha256=backup.archive_sha256, triggered_by="tests"
        )
        with pytest.raises(InstanceBusy, match=r"^[Aa]nother restore of tacacs-hq is running\.?$"):
            run_restore(second.pk)
        second.refresh_from_db()
        assert (second.status, second.outcome) == ("queued", {})
    assert first.status == "completed"
    assert run_restore(second.pk).status == "completed"


def test_a_backup_waits_for_the_restore_of_its_instance(
    backup: BackupExecution, hold: Hold, destination: BackupDestination
) -> None:
    later = start_backup("tacacs-hq", destination, by="tests")
    running = queue(backup)
    with hold(running):
        with pytest.raises(InstanceBusy, match=r"^A restore of tacacs-hq is running\.$"):
            run_backup(later.pk)
        later.refresh_from_db()
        assert later.status == "queued"
    assert running.status == "completed"
    assert run_backup(later.pk).status == "completed"


def test_a_restore_waits_for_the_backup_of_its_instance(
    backup: BackupExecution, hold: Hold, destination: BackupDestination
) -> None:
    running, later = start_backup("tacacs-hq", destination, by="tests"), queue(backup)
    with hold(running):
        with pytest.raises(InstanceBusy, match=r"^A backup of tacacs-hq is running\.$"):
            run_restore(later.pk)
        later.refresh_from_db()
        assert later.status == "queued"
        assert not BackupExecution.objects.filter(kind="safety").exists()
    assert running.status == "completed"
    assert run_restore(later.pk).status == "completed"


def test_two_processes_that_run_the_same_restore_run_it_once(backup: BackupExecution, hold: Hold) -> None:
    running = queue(backup)
    with hold(running), pytest.raises(BackupError, match=r"^Another process is working on the run"):
        run_restore(running.pk)
    assert BackupExecution.objects.filter(kind="safety").count() == 1
