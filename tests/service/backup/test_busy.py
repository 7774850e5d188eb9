"""Several backups of one instance at once: one runs, the others say so or wait, and none is lost."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from django.db import IntegrityError, connection, transaction
from django_q.models import OrmQ

from backups.errors import BackupError, InstanceBusy, NotQueued
from backups.models import BackupExecution
from backups.runs.claim import claim
from backups.service.backup.run import run_backup
from backups.service.backup.start import start_backup
from backups.worker import tasks
from destinations.models import BackupDestination
from tests.support.databases.sqlite_files import make_database
from tests.support.site_fixtures import Declare, OnStage

Listing = Callable[[], list[str]]
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def shops(tmp_path: Path, declare: Declare) -> None:
    text = ""
    for name in ("shop", "store"):
        (tmp_path / name).mkdir()
        make_database(tmp_path / name / "orders.db", rows=100)
        text += f'[{name}]\nkind = "generic"\nroot = "{tmp_path / name}"\n'
        text += f'[{name}.components.orders]\nkind = "sqlite"\npath = "orders.db"\n'
    declare(text)


@pytest.fixture
def held(shops: None, destination: BackupDestination, on_stage: OnStage) -> "Held":
    return Held(destination, on_stage)


class Held:
    """A backup of the shop that runs in another thread and stays in a stage until it is let go."""

    def __init__(self, destination: BackupDestination, on_stage: OnStage) -> None:
        self.reached, self.go_on = threading.Event(), threading.Event()
        self.execution = start_backup("shop", destination, by="tests")
        self.thread = threading.Thread(target=self.run)
        on_stage("packing", self.wait)

    def wait(self) -> None:
        if threading.current_thread() is self.thread:
            self.reached.set()
            assert self.go_on.wait(30)

    def run(self) -> None:
        try:
            run_backup(self.execution.pk)
        finally:
            connection.close()

    def __enter__(self) -> BackupExecution:
        self.thread.start()
        assert self.reached.wait(30)
        return self.execution

    def __exit__(self, *exc_info: object) -> None:
        self.go_on.set()
        self.thread.join()


def test_a_second_backup_of_the_instance_says_that_it_is_busy_and_stays_queued(
    held: Held, destination: BackupDestination, workspaces: Listing
) -> None:
    with held as first:
        second = start_backup("shop", destination, by="tests")
        with pytest.raises(InstanceBusy, match=r"^Another backup of shop is running\.$") as refused:
            run_backup(second.pk)
        assert "when the other has ended" in refused.value.hint
        second.refresh_from_db()
        assert (second.status, second.started_at, second.error_message) == ("queued", None, "")
        assert workspaces() == [first.pk, f"{first.pk}.lock"]
    assert run_backup(second.pk).status == "completed"
    first.refresh_from_db()
    assert first.status == "completed"


def test_the_one_that_waited_is_called_when_the_other_has_ended(held: Held, destination: BackupDestination) -> None:
    with held:
        second = start_backup("shop", destination, by="tests")
        tasks.enqueue(second)
        OrmQ.objects.all().delete()  # its call came too early, and found the instance busy
        assert not OrmQ.objects.exists()
    assert [message.task["args"] for message in OrmQ.objects.all()] == [(second.pk,)]


def test_another_instance_does_not_wait(held: Held, destination: BackupDestination) -> None:
    with held:
        assert run_backup(start_backup("store", destination, by="tests").pk).status == "completed"


def test_of_many_that_want_the_same_row_exactly_one_gets_it(shops: None, destination: BackupDestination) -> None:
    execution = start_backup("shop", destination, by="tests")

    def attempt(_: int) -> str:
        try:
            claim(BackupExecution.objects.get(pk=execution.pk))
        except (NotQueued, InstanceBusy) as error:
            return type(error).__name__
        finally:
            connection.close()
        return "taken"

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(attempt, range(16)))
    assert results.count("taken") == 1
    assert set(results) <= {"taken", "NotQueued", "InstanceBusy"}


def test_of_many_rows_of_one_instance_exactly_one_runs(shops: None, destination: BackupDestination) -> None:
    kind = BackupExecution.Kind.CONFIG_CHANGE
    executions = [start_backup("shop", destination, by="tests", kind=kind) for _ in range(8)]

    def attempt(execution: BackupExecution) -> str:
        try:
            claim(execution)
        except InstanceBusy:
            return "busy"
        finally:
            connection.close()
        return "taken"

    with ThreadPoolExecutor(8) as pool:
        results = sorted(pool.map(attempt, executions))
    assert results == ["busy"] * 7 + ["taken"]
    assert BackupExecution.objects.filter(status="running").count() == 1
    assert BackupExecution.objects.filter(status="queued").count() == 7


def test_two_that_run_the_same_row_at_once_make_one_archive(
    held: Held, destination: BackupDestination, archives: Listing
) -> None:
    with held as execution, pytest.raises(BackupError, match=r"^Another process is working on the run|not queued\.$"):
        run_backup(execution.pk)
    assert len(archives()) == 1


def test_the_database_itself_refuses_a_second_running_row(held: Held, destination: BackupDestination) -> None:
    with held, pytest.raises(IntegrityError, match="UNIQUE constraint failed"), transaction.atomic():
        BackupExecution.objects.create(instance="shop", destination=destination, triggered_by="x", status="running")


def test_the_database_itself_refuses_a_completed_row_without_an_archive(destination: BackupDestination) -> None:
    with pytest.raises(IntegrityError, match="completed_means_recorded"), transaction.atomic():
        BackupExecution.objects.create(instance="shop", destination=destination, triggered_by="x", status="completed")
