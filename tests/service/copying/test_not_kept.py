"""A copy that the rule of its destination would delete at once is not made."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from backups.errors import NotKept
from backups.models import BackupCopy, BackupExecution, CopyExecution
from backups.service.archives.records.pin import pin_backup
from backups.service.copying import start
from backups.service.copying.start import start_copy, start_due
from destinations.models import BackupDestination
from tests.support.call_commands import refused
from tests.support.pruned import ruled
from tests.support.rows import a_copy, a_destination, a_manifest, an_execution

pytestmark = pytest.mark.django_db


def dated(age: timedelta) -> BackupExecution:
    """Return a backup whose row, manifest and name agree on its date."""
    began = timezone.now() - age
    manifest = a_manifest(timestamp_utc=began.isoformat()).to_dict()
    return an_execution(age=age, manifest_json=manifest)


@pytest.fixture
def vault() -> BackupDestination:
    return ruled(a_destination("vault"), retention_days=7, min_keep=1)


@pytest.fixture
def old(vault: BackupDestination) -> BackupExecution:
    """Return a backup that the rule of the vault does not need, beside the one that it keeps."""
    old, new = dated(timedelta(days=30)), dated(timedelta(hours=1))
    a_copy(new, vault)
    return old


def test_a_person_is_refused_unless_it_is_pinned(vault: BackupDestination, old: BackupExecution) -> None:
    with pytest.raises(NotKept, match=r"is not copied to vault: the rule of vault, simple: 7 days, lets it go"):
        start_copy(old, vault, by="alice")
    assert "lets it go at once" in refused("copybackup", old.pk, "--to", "vault")
    assert (CopyExecution.objects.count(), old.copies.count()) == (0, 1)
    pin_backup(old, by="alice", reason="audit")
    assert start_copy(old, vault, by="alice").copy.destination == vault


@pytest.mark.parametrize(
    ("fields", "after"),
    [
        ({"state": "failed", "path": ""}, "deleted"),
        ({"missing_at": timezone.now()}, "deleted"),
        ({"damaged_at": timezone.now()}, "damaged"),
    ],
    ids=["never made", "missing", "damaged"],
)
def test_it_is_not_made_up_for_by_itself(
    vault: BackupDestination, old: BackupExecution, fields: dict[str, Any], after: str
) -> None:
    copy = a_copy(old, vault, next_try_at=timezone.now(), **fields)
    assert start_due("backups") == []
    copy.refresh_from_db()
    assert (copy.condition, copy.next_try_at) == (after, None)
    # what no rule needs lacks nothing; a damaged archive is for a person to look at
    old.refresh_from_db()
    assert (old.copies_state, old.deleted_at) == ("missing" if after == "damaged" else "all", None)


def test_what_the_rule_keeps_is_made_up_for(vault: BackupDestination, old: BackupExecution) -> None:
    BackupCopy.objects.filter(destination=vault).update(state="failed", path="", next_try_at=timezone.now())
    (run,) = start_due("backups")
    assert run.copy.destination == vault


def test_the_rule_is_asked_before_the_transaction_in_which_other_writers_wait(
    vault: BackupDestination, old: BackupExecution, monkeypatch: pytest.MonkeyPatch
) -> None:
    depths: list[int] = []
    real = start.not_kept

    def noted(*args: Any) -> str:
        depths.append(len(connection.savepoint_ids))
        return real(*args)

    monkeypatch.setattr(start, "not_kept", noted)
    outside = len(connection.savepoint_ids)
    with pytest.raises(NotKept):
        start_copy(old, vault, by="alice")
    assert depths == [outside]
