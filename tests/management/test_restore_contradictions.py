"""Contradicting options of the command `restore` are refused before anything happens."""

import json
import os
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from backups.models import RestoreExecution
from backups.runs.finish import cancel
from tests.support.restores.component_restores import restore
from tests.support.restores.instance_restores import queue, the_restore
from tests.support.site_fixtures import BackUp

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize(
    ("way", "options", "excluded"),
    [
        ("--undo", ["--component", "devices", "--confirm"], "--component"),
        ("--undo", ["--instance", "other"], "--instance"),
        ("--undo", ["--to", "/tmp/out"], "--to"),
        ("--undo", ["--other-instance", "--accept-unsigned"], "--other-instance and --accept-unsigned"),
        ("--acknowledge", ["--dry-run"], "--dry-run"),
        ("--acknowledge", ["--to", "/tmp/out"], "--to"),
        ("--cancel", ["--component", "devices"], "--component"),
    ],
)
def test_options_that_would_not_be_heard_are_refused(
    tacacs_root: Path, back_up: BackUp, way: str, options: list[str], excluded: str
) -> None:
    done = restore(back_up())
    with pytest.raises(CommandError, match=rf"^{way} and {excluded} do not go together"):
        call_command("restore", way, done.pk, *options)
    done.refresh_from_db()
    assert (RestoreExecution.objects.count(), done.acknowledged_at) == (1, None)


@pytest.mark.parametrize("options", [[], ["--dry-run"], ["--to", "/tmp/out"], ["--confirm", "--file", __file__]])
def test_a_worker_is_asked_for_a_confirmed_restore_of_a_backup_only(
    tacacs_root: Path, back_up: BackUp, options: list[str]
) -> None:
    what = ["--instance", "tacacs-hq"] if "--file" in options else [back_up().pk]
    with pytest.raises(CommandError, match=r"^--queue "):
        call_command("restore", *what, "--queue", *options)
    assert not RestoreExecution.objects.exists()


def test_a_queued_restore_waits_for_a_worker(
    tacacs_root: Path, back_up: BackUp, capsys: pytest.CaptureFixture[str]
) -> None:
    call_command("restore", back_up().pk, "--confirm", "--queue")
    row = the_restore()
    assert capsys.readouterr().out == f"queued as {row.pk}\n"
    assert (row.status, row.rang_at is not None) == ("queued", True)


def test_what_is_no_file_is_named_and_nothing_is_waited_for(tacacs_root: Path, home: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name, reason in (("missing", "does not exist"), ("pipe", "is not a file"), ("", "is not a file")):
        path = tmp_path / name
        for options in (
            ["--instance", "tacacs-hq"],
            ["--instance", "tacacs-hq", "--confirm"],
            ["--to", tmp_path / "x"],
        ):
            with pytest.raises(CommandError, match=rf"^{path} {reason}"):
                call_command("restore", "--file", path, *options)
    assert not RestoreExecution.objects.exists()


def test_a_waiting_restore_is_cancelled_by_the_command(
    tacacs_root: Path, back_up: BackUp, capsys: pytest.CaptureFixture[str]
) -> None:
    waiting = queue(back_up())
    call_command("restore", "--cancel", waiting.pk[:8])
    assert capsys.readouterr().out == f"cancelled    {waiting.pk}: the restore of tacacs-hq had not begun\n"
    waiting.refresh_from_db()
    assert waiting.status == "cancelled"
    with pytest.raises(CommandError, match="has ended already"):
        call_command("restore", "--cancel", waiting.pk)


def test_a_failed_restore_is_reported_as_json_too(
    tacacs_root: Path, home: Path, back_up: BackUp, capsys: pytest.CaptureFixture[str]
) -> None:
    backup = back_up()
    archive = home / "backups" / "nas" / backup.backup_path
    archive.write_bytes(archive.read_bytes()[:-1])
    with pytest.raises(CommandError, match=r"(?i)nothing was changed"):
        call_command("restore", backup.pk, "--confirm", "--json")
    answer = json.loads(capsys.readouterr().out)
    assert (answer["id"], answer["status"], answer["restart_required"]) == (the_restore().pk, "failed", False)
    assert "nothing was changed" in answer["error_message"].lower()


def test_a_cancelled_one_makes_room_for_the_next(tacacs_root: Path, back_up: BackUp) -> None:
    backup = back_up()
    cancel(queue(backup), by="alice")
    assert restore(backup).status == "completed"
