"""Pins: by service and by command. The buttons are tested with the pages."""

import json
import logging
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.core.management import call_command
from django.core.management.base import CommandError
from django.utils import timezone

from backups.errors import BackupError, NotDeletable
from backups.models import BackupExecution
from backups.service.archives.records.delete import delete_backup
from backups.service.archives.records.pin import pin_backup, unpin_backup
from destinations.management.base import operator_name
from destinations.models import BackupDestination
from tests.support.archives.stored import file_of, stored
from tests.support.rows import a_user, an_execution

pytestmark = pytest.mark.django_db


def test_a_pinned_backup_is_not_deleted_until_it_is_unpinned(
    destination: BackupDestination, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "backups")
    execution = stored(destination)
    bob = a_user()
    pin_backup(execution, by=bob, reason="  before the\nmigration ")
    row = BackupExecution.objects.get()
    assert (row.pinned, row.pin_reason, execution.pinned) == (True, "before the migration", True)
    with pytest.raises(NotDeletable, match="is pinned: before the migration") as refused:
        delete_backup(row, by="tests", reason="space")
    assert refused.value.hint == "Unpin it first."
    assert file_of(row).exists()
    unpin_backup(execution, by=bob)
    row = BackupExecution.objects.get()
    assert (row.pinned, row.pin_reason) == (False, "")
    delete_backup(row, by="tests", reason="space")
    assert not file_of(row).exists()
    notes = [entry.get_change_message() for entry in LogEntry.objects.order_by("pk")]
    assert notes == ["Pinned: before the migration", "Unpinned: before the migration"]
    assert f'backup.pinned backup={row.pk} instance=app by=bob reason="before the migration"' in caplog.text


@pytest.mark.parametrize("reason", ["", "  \n", "x" * 256])
def test_a_pin_needs_a_reason_that_fits(reason: str) -> None:
    with pytest.raises(BackupError, match="A pin needs a reason of at most 255 characters"):
        pin_backup(an_execution(), by="tests", reason=reason)
    assert not BackupExecution.objects.get().pinned


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"status": "failed"}, "has no archive to keep"),
        ({"deleted_at": timezone.now()}, "has no archive to keep"),
        ({"missing_at": timezone.now()}, "has no archive to keep"),
        ({"pinned": True, "pin_reason": "audit"}, "is pinned already: audit"),
        ({"deleting_at": timezone.now()}, "is being deleted right now"),
    ],
    ids=["failed", "deleted", "missing", "pinned", "being deleted"],
)
def test_what_cannot_be_pinned_is_refused_with_the_reason(fields: dict[str, Any], message: str) -> None:
    execution = an_execution(**fields)
    stale = BackupExecution(pk=execution.pk)
    with pytest.raises(BackupError, match=message):
        pin_backup(stale, by="tests", reason="for good")
    assert BackupExecution.objects.get().pin_reason == fields.get("pin_reason", "")


def test_a_killed_deletion_does_not_forbid_a_pin_for_ever() -> None:
    execution = an_execution(deleting_at=timezone.now() - timedelta(hours=1))
    pin_backup(execution, by="tests", reason="for good")
    assert BackupExecution.objects.get().pinned


def test_a_backup_that_is_not_pinned_cannot_be_unpinned() -> None:
    with pytest.raises(BackupError, match="is not pinned"):
        unpin_backup(an_execution(), by="tests")


def test_the_commands_pin_and_unpin_by_the_first_characters_of_the_id(capsys: pytest.CaptureFixture[str]) -> None:
    execution = an_execution()
    call_command("pinbackup", execution.pk[:8], "--reason", "audit of 2026")
    assert capsys.readouterr().out == f"pinned  {execution.backup_filename}: audit of 2026\n"
    assert BackupExecution.objects.get().pin_reason == "audit of 2026"
    call_command("unpinbackup", execution.pk, "--json")
    answer = json.loads(capsys.readouterr().out)
    assert (answer["id"], answer["pinned"]) == (execution.pk, False)
    assert not BackupExecution.objects.get().pinned


def test_the_commands_say_in_one_line_what_is_wrong(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "backups")
    execution = an_execution(pinned=True, pin_reason="audit")
    with pytest.raises(CommandError, match="is pinned already: audit"):
        call_command("pinbackup", execution.pk, "--reason", "again")
    with pytest.raises(CommandError, match="There is no backup 'unknown-id'"):
        call_command("unpinbackup", "unknown-id")
    call_command("unpinbackup", execution.pk)
    assert f"backup.unpinned backup={execution.pk} instance=shop by={operator_name()}" in caplog.text
