"""Backups of a process that did not know copies, made while the site was upgraded: each gets the row of its copy."""

from datetime import timedelta
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import pytest
from django.apps import apps
from django.db import connection
from django.utils import timezone

from backups.checks.copies import check_copies
from backups.models import BackupCopy, BackupExecution
from backups.runs.recovery.reap import reap, tidy
from backups.service.archives.records.uncopied import record_uncopied
from backups.service.backup.run import backup_now, run_backup
from backups.service.backup.start import start_backup
from destinations.models import BackupDestination
from tests.support.rows import a_copy, a_destination, an_execution

pytestmark = pytest.mark.django_db(transaction=True)


def as_before_copies(**filters: object) -> None:
    """Leave what a process without copies leaves."""
    BackupCopy.objects.filter(**filters).delete()
    BackupExecution.objects.update(copies_state="")


def migrate() -> None:
    module = import_module("backups.migrations.0023_unsettled_copies_data")
    for step in (module.a_copy_of_each, module.no_copy_of_what_did_not_complete):
        step(apps, SimpleNamespace(connection=connection))


def ids_of_checks() -> set[str | None]:
    return {found.id for found in check_copies(None, databases=["default"])}


def test_a_check_names_a_backup_without_a_copy_and_the_tick_records_it(
    small_shop: Path, destination: BackupDestination
) -> None:
    backup = backup_now("shop", destination, by="tests")
    (before,) = BackupCopy.objects.values()
    assert "backups.W083" not in ids_of_checks()
    as_before_copies()
    assert "backups.W083" in ids_of_checks()
    assert tidy() == 1
    backup.refresh_from_db()
    (after,) = BackupCopy.objects.values()
    changed = {name for name in after if after[name] != before[name]}
    assert changed <= {"id", "created_at", "stored_at", "verified_at"}
    assert (backup.copies_state, tidy(), "backups.W083" in ids_of_checks()) == ("all", 0, False)


@pytest.mark.parametrize("status", ["queued", "running"])
def test_a_backup_that_an_old_worker_completes_after_the_migration_gets_its_copy(
    destination: BackupDestination, status: str
) -> None:
    begun = {"planned_path": "a.tar.gz"} if status == "running" else {}
    backup = an_execution("shop", destination=destination, status=status, **begun)
    as_before_copies()
    migrate()
    made = an_execution("box", destination=destination)
    # the worker of the release before changes the row of the backup alone
    values = {field.name: getattr(made, field.name) for field in made._meta.concrete_fields}
    BackupCopy.objects.filter(execution=made).delete()
    made.delete()
    BackupExecution.objects.filter(pk=backup.pk).update(**values | {"id": backup.pk, "copies_state": ""})
    assert "backups.W083" in ids_of_checks()
    assert record_uncopied() == 1
    backup.refresh_from_db()
    copy = backup.copies.get()
    assert (copy.condition, copy.path, copy.planned_path) == ("stored", backup.backup_path, "")
    assert (backup.copies_state, record_uncopied(), "backups.W083" in ids_of_checks()) == ("all", 0, False)


def test_of_two_rows_with_one_archive_the_second_is_left_to_a_person(destination: BackupDestination) -> None:
    first = an_execution("shop", destination=destination)
    second = an_execution("shop", destination=a_destination("vault"))
    as_before_copies(execution=second)
    a_copy(first, second.destination, path="other.tar.gz", sha256=second.archive_sha256)
    assert record_uncopied() == 0
    assert "backups.W083" in ids_of_checks()


@pytest.mark.parametrize("times", [1, 2])
def test_the_migration_records_what_was_made_and_begun_meanwhile_and_may_run_again(
    destination: BackupDestination, times: int
) -> None:
    made = an_execution("shop", destination=destination)
    lost = an_execution("shop", destination=destination, missing_at=timezone.now())
    gone = an_execution("shop", destination=destination, deleted_at=timezone.now())
    waiting = an_execution("shop", destination=destination, status="queued")
    going = an_execution("box", destination=destination, status="running", planned_path="a.tar.gz")
    as_before_copies()
    other = an_execution("shop", destination=destination)
    for _ in range(times):
        migrate()
    found = {copy.execution_id: copy for copy in BackupCopy.objects.all()}
    assert [found[row.pk].condition for row in (made, lost, gone, waiting, going, other)] == [
        "stored", "missing", "deleted", "waiting", "uploading", "stored",
    ]  # fmt: skip
    assert found[made.pk].path == made.backup_path
    assert found[going.pk].planned_path == "a.tar.gz"
    made.refresh_from_db()
    lost.refresh_from_db()
    assert (made.copies_state, lost.copies_state) == ("all", "missing")


def test_the_migration_leaves_no_stored_copy_to_a_backup_that_failed(destination: BackupDestination) -> None:
    values = {"backup_path": "a.tar.gz", "archive_sha256": "0" * 64}
    failed = an_execution("shop", destination=destination, status="failed", **values)
    migrate()
    assert list(failed.copies.values_list("state", "path")) == [("failed", "")]


def test_a_queued_backup_without_a_copy_goes_to_its_destination(
    small_shop: Path, destination: BackupDestination
) -> None:
    queued = start_backup("shop", destination, by="tests")
    as_before_copies(execution=queued)
    assert run_backup(queued.pk).copies_state == "all"


def test_a_dead_backup_without_a_copy_is_looked_for_at_its_planned_path(destination: BackupDestination) -> None:
    dead = an_execution(
        "shop", age=timedelta(days=2), destination=destination, status="running", worker="elsewhere:1",
        planned_path="a.tar.gz", archive_sha256="0" * 64,
    )  # fmt: skip
    as_before_copies()
    assert reap() == [dead]
    (copy,) = BackupCopy.objects.all()
    assert (copy.state, copy.planned_path, copy.sha256) == ("failed", "a.tar.gz", "0" * 64)
