"""Append-only destinations: nothing is deleted there, and the site says so instead of failing."""

import io
from typing import Any

import pytest

from backups.models import BackupCopy, BackupExecution
from backups.service.archives.records.delete import delete_backup
from backups.service.backup.remove import remove_archive
from backups.service.catalogue.sync import import_backups
from backups.service.monitoring.check_destination import check_destination
from backups.service.retention.plan import more_deletions, plan_prune
from destinations.exceptions import AppendOnly
from destinations.models import BackupDestination
from destinations.policies.retention_rule import Rule
from tests.support.archives.stored import NOW, daily, file_of, folder_of, put, there
from tests.support.call_commands import command
from tests.support.pages.parsed import page_at
from tests.support.pruned import ruled, run
from tests.support.rows import VIEW, a_client, a_destination

pytestmark = pytest.mark.django_db


@pytest.fixture
def vault(home: Any) -> BackupDestination:
    """An append-only destination whose store keeps three days."""
    vault = a_destination("vault", config_json={"path": "vault", "append_only": True})
    return ruled(vault, retention_days=3, min_keep=1)


def state(backup: BackupExecution) -> tuple[str, str]:
    copy = BackupCopy.objects.get(execution=backup)
    return copy.condition, copy.deleted_by


def test_retention_deletes_nothing_and_says_what_is_left_to_the_store(vault: BackupDestination) -> None:
    rows = daily(vault, 6)
    pruned = run(vault)
    assert (pruned.deleted, pruned.failed, pruned.plan.to_delete) == ([], [], [])
    assert there(rows) == [0, 1, 2, 3, 4, 5]
    left = [entry for entry in pruned.plan.entries if entry.left_to_store]
    assert [entry.execution for entry in left] == rows[4:]
    assert all("append-only" in entry.reason and "older than 3 days" in entry.reason for entry in left)
    # a stricter rule needs no confirmation: it deletes nothing
    assert more_deletions(vault, None, Rule(strategy="simple", keep_days=1), NOW) == []


def test_what_the_store_deleted_past_the_rule_is_recorded_as_deleted_and_the_rest_as_missing(
    vault: BackupDestination, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = daily(vault, 6)
    for row in (rows[1], rows[5]):
        file_of(row).unlink()
    monkeypatch.setattr("django.utils.timezone.now", lambda: NOW)
    page = page_at(a_client(VIEW, "import_backup"), f"/admin/destinations/backupdestination/{vault.pk}/catalogue/")
    assert page.section("expired").rows() == [rows[5].backup_path]
    assert page.section("missing").rows() == [rows[1].backup_path]
    assert not check_destination(vault, by="tests").is_sound
    assert [state(rows[5]), state(rows[1])] == [("deleted", "the store"), ("missing", "")]
    # it is not made up for
    assert BackupCopy.objects.get(execution=rows[5]).next_try_at is None
    put(vault, rows[1].backup_path, b"x" * (rows[1].compressed_size_bytes or 0))
    assert check_destination(vault, by="tests").is_sound


def test_a_deletion_by_hand_is_refused_and_what_cannot_be_removed_is_left(vault: BackupDestination) -> None:
    (row,) = daily(vault, 1)
    with pytest.raises(AppendOnly):
        delete_backup(row, by="alice", reason="not needed")
    assert state(row) == ("stored", "")
    with vault.open() as opened:
        opened.put(io.BytesIO(b"x"), "app/manual/y.tar.gz", size=1, token="t")
        with pytest.raises(AppendOnly):
            remove_archive(opened, "app/manual/y.tar.gz")
        assert opened.sweep("t") == ()
    assert (folder_of(vault) / "app/manual/y.tar.gz").exists()


def test_partial_uploads_are_left_and_are_no_trouble(vault: BackupDestination) -> None:
    part = put(vault, "app/manual/x.tar.gz.unknown.part", b"half")
    done = import_backups(vault, by="tests")
    assert (done.removed, done.refused) == ([], [])
    assert part.exists()


def test_lists_and_pages_say_that_it_is_append_only(vault: BackupDestination) -> None:
    assert command("showdestination", "vault", "--json").data["append_only"] is True
    assert "(append-only)" in command("listdestinations").out
    assert "left to the store" in command("showdestination", "vault").out
    client, base = a_client(VIEW, "view_backupdestination"), f"/admin/destinations/backupdestination/{vault.pk}"
    assert "append-only" in page_at(client, f"{base}/retention/").notices()
    assert page_at(client, f"{base}/change/").field("append_only").value == "true"


def test_the_plan_of_a_usual_destination_leaves_nothing_to_the_store(destination: BackupDestination) -> None:
    rows = daily(ruled(destination, retention_days=3, min_keep=1), 6)
    plan = plan_prune(destination, NOW)
    assert [entry.execution for entry in plan.to_delete] == rows[4:]
    assert not any(entry.left_to_store for entry in plan.entries)
