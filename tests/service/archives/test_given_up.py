"""Giving up copies: one of a backup, or all of a destination that is gone for good."""

import shutil
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.test import Client
from django.utils import timezone

from backups.errors import NotDeletable
from backups.models import BackupCopy, BackupExecution
from backups.runs.describe import describe
from backups.service.archives.records.given_up import give_up_copy, give_up_destination
from backups.service.archives.records.missing import mark_damaged, mark_missing
from backups.service.archives.records.pin import pin_backup
from backups.service.backup.settle import settle_uploads
from backups.service.copying.start import start_due
from destinations.backends import Destination
from destinations.exceptions import DestinationUnavailable
from destinations.models import BackupDestination
from destinations.providers import uses_of
from tests.support.archives.stored import NOW, file_of, folder_of, put, stored
from tests.support.call_commands import command, refused
from tests.support.rows import a_copy, a_destination, an_execution

pytestmark = pytest.mark.django_db


@pytest.fixture
def backup(destination: BackupDestination) -> BackupExecution:
    return stored(destination)


@pytest.fixture
def vault(home: Path) -> BackupDestination:
    return a_destination("vault", established=True)


def at(backup: BackupExecution, name: str) -> BackupCopy:
    return backup.copies.select_related("destination", "execution").get(destination__name=name)


def state(backup: BackupExecution) -> tuple[str, bool]:
    backup.refresh_from_db()
    return backup.copies_state, backup.deleted_at is not None


def test_a_copy_that_never_arrived_is_expected_no_more(backup: BackupExecution, vault: BackupDestination) -> None:
    a_copy(backup, vault, state="failed", path="", next_try_at=timezone.now())
    done = command("acceptloss", backup.pk, "--destination", "vault", "--why", "it was sold")
    assert done.out.startswith("given up  ")
    copy = at(backup, "vault")
    assert (copy.condition, copy.next_try_at, copy.deleted_reason) == ("deleted", None, "given up: it was sold")
    assert (state(backup), start_due("backups")) == (("all", False), [])
    assert file_of(backup).exists()
    assert "no copy at vault" in refused("acceptloss", backup.pk, "--destination", "vault", "--why", "again")


def test_an_archive_that_is_there_is_not_given_up(backup: BackupExecution, vault: BackupDestination) -> None:
    with pytest.raises(NotDeletable, match="is at nas"):
        give_up_copy(at(backup, "nas"), by="alice", reason="x")
    put(vault, backup.backup_path, file_of(backup).read_bytes())
    copy = a_copy(backup, vault, missing_at=NOW)
    with pytest.raises(NotDeletable, match="is at vault again"):
        give_up_copy(copy, by="alice", reason="x")
    assert at(backup, "vault").condition == "stored"


def test_a_sound_copy_is_not_given_up_for_an_outage(backup: BackupExecution, vault: BackupDestination) -> None:
    copy = a_copy(backup, vault)
    with pytest.raises(NotDeletable, match="does not answer, and its copy is not known to be lost"):
        give_up_copy(copy, by="alice", reason="x")
    assert at(backup, "vault").condition == "stored"


def test_a_damaged_archive_is_deleted_with_its_copy(backup: BackupExecution, vault: BackupDestination) -> None:
    file = put(vault, backup.backup_path, b"changed")
    copy = a_copy(backup, vault)
    mark_damaged(copy, NOW, "Its SHA-256 differs.")
    give_up_copy(copy, by="alice", reason="x")
    assert (at(backup, "vault").condition, file.exists(), state(backup)) == ("deleted", False, ("all", False))


def test_a_damaged_archive_that_is_also_marked_missing_and_is_there_is_deleted(
    backup: BackupExecution, vault: BackupDestination
) -> None:
    file = put(vault, backup.backup_path, b"changed")
    copy = a_copy(backup, vault, damaged_at=NOW, missing_at=NOW)
    give_up_copy(copy, by="alice", reason="x")
    assert (at(backup, "vault").condition, file.exists()) == ("deleted", False)


def test_a_destination_that_does_not_answer_is_opened_once_for_all_of_its_damaged_copies(
    backup: BackupExecution, vault: BackupDestination, monkeypatch: pytest.MonkeyPatch
) -> None:
    for other in (backup, stored(backup.destination, instance="wiki")):
        a_copy(other, vault, damaged_at=NOW)
    BackupDestination.objects.filter(pk=vault.pk).update(enabled=False)
    asked: list[str] = []

    def silent(self: BackupDestination) -> Destination:
        asked.append(self.name)
        raise DestinationUnavailable("It does not answer.")

    monkeypatch.setattr(BackupDestination, "open", silent)
    vault.refresh_from_db()
    assert len(give_up_destination(vault, by="alice", reason="x").copies) == 2
    assert asked == ["vault"]


def test_a_copy_that_is_being_made_is_not_given_up(backup: BackupExecution, vault: BackupDestination) -> None:
    copy = a_copy(backup, vault, state="failed", path="", next_try_at=timezone.now())
    start_due("backups")
    with pytest.raises(NotDeletable, match="under way"):
        give_up_copy(copy, by="alice", reason="x")


def test_the_last_copy_of_a_pinned_backup_stays(backup: BackupExecution) -> None:
    pin_backup(backup, by="alice", reason="audit")
    shutil.rmtree(folder_of(backup.destination))
    mark_missing(at(backup, "nas"), NOW)
    with pytest.raises(NotDeletable, match="pinned"):
        give_up_copy(at(backup, "nas"), by="alice", reason="x")
    assert at(backup, "nas").condition == "missing"


def test_every_copy_of_a_destination_that_is_gone_is_given_up(
    backup: BackupExecution, vault: BackupDestination, destination: BackupDestination
) -> None:
    a_copy(backup, vault)
    only_there = stored(vault, instance="wiki")
    shutil.rmtree(folder_of(vault))
    assert "Destination vault is enabled" in refused("acceptloss", "--destination", "vault", "--why", "burnt")
    assert "acceptloss --destination vault" in command("disabledestination", "vault", "--why", "burnt").out
    done = command("acceptloss", "--destination", "vault", "--why", "burnt", "--json").data
    assert (set(done["given_up"]), done["lost"], done["kept"]) == (
        {backup.pk, only_there.pk}, [only_there.pk], [],
    )  # fmt: skip
    assert (state(backup), state(only_there)) == (("all", False), ("", True))
    assert "(its destination did not answer)" in at(backup, "vault").deleted_reason


def test_what_is_there_all_the_same_is_kept_and_named(backup: BackupExecution, vault: BackupDestination) -> None:
    BackupDestination.objects.filter(name="nas").update(enabled=False)
    done = command("acceptloss", "--destination", "nas", "--why", "burnt")
    assert (done.code, backup.pk in done.out) == (1, True)
    assert at(backup, "nas").condition == "stored"


def test_a_backup_or_a_destination_has_to_be_named(backup: BackupExecution, vault: BackupDestination) -> None:
    assert "--destination" in refused("acceptloss", "--why", "x")
    assert "was not made for vault" in refused("acceptloss", backup.pk, "--destination", "vault", "--why", "x")


def test_a_destination_that_only_history_knows_is_deleted_and_keeps_its_name(
    backup: BackupExecution, vault: BackupDestination
) -> None:
    a_copy(backup, vault, state="failed", path="")
    an_execution("wiki", destination=vault, status="failed")
    client = Client()
    client.force_login(User.objects.create_superuser("alice"))
    page = f"/admin/destinations/backupdestination/{vault.pk}/delete/"
    assert "it is used by 1 backup" in client.post(page, {"post": "yes"}, follow=True).content.decode()
    BackupDestination.objects.filter(pk=vault.pk).update(enabled=False)
    command("acceptloss", "--destination", "vault", "--why", "burnt")
    assert client.post(page, {"post": "yes"}).status_code == 302
    assert not BackupDestination.objects.filter(name="vault").exists()
    removed = BackupDestination.with_removed.get(name="vault")
    assert (removed.enabled, removed.config_json) == (False, {})
    assert [copy["destination"] for copy in describe(backup)["copies"]] == ["nas", "vault"]
    assert "vault" in command("listbackups", "wiki", "--json").out
    # the name stays that of the deleted one, its place is free
    again = BackupDestination(name="vault", type="local", config_json={"path": "vault"})
    with pytest.raises(ValidationError, match="Choose another name"):
        again.full_clean()
    again.name = "vault2"
    again.full_clean()


def test_what_ended_uploads_may_have_left_is_not_looked_for_at_a_destination_that_is_given_up(
    backup: BackupExecution, vault: BackupDestination, caplog: pytest.LogCaptureFixture
) -> None:
    def unsettled(status: str, state: str, name: str) -> BackupCopy:
        row = an_execution(name, destination=vault, status=status, worker="")
        row.copies.all().delete()
        return a_copy(row, vault, state=state, path="", planned_path=f"{name}.tar.gz", upload_state={"id": 1})

    failed = unsettled("failed", "failed", "one")
    interrupted = unsettled("interrupted", "failed", "two")
    deleted = unsettled("completed", "deleted", "three")
    running = unsettled("running", "uploading", "four")
    missing = a_copy(backup, vault, state="failed", path="", planned_path="five.tar.gz", upload_state={"id": 1})
    BackupDestination.objects.filter(pk=vault.pk).update(enabled=False)
    assert uses_of(vault) == ["3 backups"]
    done = command("acceptloss", "--destination", "vault", "--why", "sold", "--json")
    # the running one has to end first
    assert (done.data["given_up"], done.data["unsettled"], done.code) == ([backup.pk], 3, 1)
    assert [kept["backup"] for kept in done.data["kept"]] == [running.execution_id]
    for copy in (failed, interrupted, deleted, missing):
        copy.refresh_from_db()
        assert (copy.planned_path, copy.upload_state) == ("", None)
    running.refresh_from_db()
    assert running.planned_path == "four.tar.gz"
    assert uses_of(vault) == ["1 backup"]
    # nor does anything fail each half hour at one that was deleted
    BackupCopy.objects.filter(pk=failed.pk).update(planned_path="one.tar.gz")
    running.execution.delete()
    BackupDestination.objects.get(pk=vault.pk).remove()
    caplog.clear()
    settle_uploads()
    assert "copy.not-settled" not in caplog.text
