"""A process that runs for itself holds the lock of its run before the row is there."""

from typing import Any

import pytest
from django.db import OperationalError
from django.db.models.signals import post_save

from backups.lib.locks import Holder
from backups.lib.processes import identity
from backups.models import BackupExecution, RestoreExecution, Run
from backups.runs import execute, finish, workspace
from backups.runs.recovery.reap import reap
from backups.service.backup.run import backup_now
from backups.service.drill.run import drill, verify_backup
from backups.service.restore.request import RestoreRequest
from backups.service.restore.start import restore_now, start_restore
from destinations.lib.operator_error import sentences
from destinations.models import BackupDestination
from tests.support.site_fixtures import Listing

pytestmark = pytest.mark.django_db(transaction=True)


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
