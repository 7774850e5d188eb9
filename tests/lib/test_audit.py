"""The audit trail: one log line for each event, and Django's history for what a user did."""

import logging
import re
from pathlib import Path

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User

from backups.errors import BackupError
from backups.lib import audit
from backups.models import BackupExecution
from backups.runs.finish import cancel
from backups.service.archives.fetch import download_backup
from backups.service.archives.records.delete import delete_backup
from backups.service.backup import kind as backup_service
from backups.service.backup.start import start_backup
from destinations.models import BackupDestination
from tests.support.processes.project_programs import manage
from tests.support.site_fixtures import BackUp

pytestmark = pytest.mark.django_db(transaction=True)
EVIL = "x\nbackup.completed backup=forged\r\x1b[2J\u2028 y"


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "backups"]


@pytest.fixture(autouse=True)
def _everything_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "backups")


def test_each_event_of_a_backup_is_one_line_with_its_id_instance_and_stage(
    back_up: BackUp, tacacs_root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    backup = back_up()
    said = lines(caplog)
    assert [line.split(" ")[0] for line in said] == [
        "backup.queued", "backup.claimed", *["backup.stage"] * 6, "backup.completed",
    ]  # fmt: skip
    assert all(f"={backup.pk} instance=tacacs-hq" in line for line in said)
    stages = [match[1] for line in said if (match := re.search(r" stage=(\w+)", line))]
    assert stages == ["preparing", "exporting", "checking", "packing", "uploading", "recording", "done"]


def test_a_failure_is_one_line_with_its_reason(
    back_up: BackUp, tacacs_root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tacacs_root / "data" / "devices.db").unlink()
    with pytest.raises(BackupError):
        back_up()
    *_, last = caplog.records
    assert (last.levelname, last.exc_info) == ("ERROR", None)
    event, run, instance, *_ = last.getMessage().split(" ")
    assert (event, run.partition("=")[2], instance) == (
        "backup.failed", BackupExecution.objects.get().pk, "instance=tacacs-hq",
    )  # fmt: skip
    assert f'error="{tacacs_root}/data/devices.db does not exist."' in last.getMessage()


def test_an_unexpected_error_is_logged_with_its_traceback_and_recorded_without_its_text(
    back_up: BackUp, tacacs_root: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("a secret")

    monkeypatch.setattr(backup_service, "upload_archives", fail)
    with pytest.raises(ZeroDivisionError):
        back_up()
    backup = BackupExecution.objects.get()
    assert (backup.status, backup.error_message) == ("failed", "Unexpected error ZeroDivisionError, see the log.")
    *_, crashed, ended = caplog.records
    assert re.fullmatch(rf"backup\.crashed \w+={backup.pk}", crashed.getMessage())
    assert crashed.exc_info is not None
    assert ended.getMessage().startswith("backup.failed ")


def test_what_a_user_does_is_in_the_history(
    back_up: BackUp, tacacs_root: Path, destination: BackupDestination, caplog: pytest.LogCaptureFixture
) -> None:
    ada = User.objects.create_user("ada lovelace")
    backup = back_up()
    cancelled = start_backup("tacacs-hq", destination, by=ada)
    cancel(cancelled, by=ada)
    with download_backup(backup, by=ada):
        delete_backup(backup, by=ada, reason="no longer needed")
    with pytest.raises(BackupError):
        start_backup("nothing", destination, by=ada)
    with pytest.raises(BackupError):
        delete_backup(backup, by=ada, reason="twice")
    entries = [(entry.object_id, entry.change_message) for entry in LogEntry.objects.filter(user=ada).order_by("pk")]
    assert [object_id for object_id, _ in entries] == [
        cancelled.pk, cancelled.pk, backup.pk, backup.pk, destination.pk, backup.pk,
    ]  # fmt: skip
    assert [message.split(" ")[0] for _, message in entries] == [
        "Started", "Cancelled", "Downloaded", "Deleted", "Backup", "Deletion",
    ]  # fmt: skip
    assert 'by="ada lovelace"' in next(line for line in lines(caplog) if line.startswith("backup.downloaded"))


def test_what_a_command_does_is_in_the_log_alone(back_up: BackUp, tacacs_root: Path) -> None:
    back_up()
    assert not LogEntry.objects.exists()


def test_no_value_can_start_a_new_line(caplog: pytest.LogCaptureFixture) -> None:
    audit.log("backup.tested", instance=EVIL, quote='a"b', empty="", nothing=None, number=0)
    (line,) = lines(caplog)
    assert line.isprintable()
    assert line == (
        'backup.tested instance="x\\nbackup.completed backup=forged\\r\\u001b[2J\\u2028 y" quote="a\\"b" number=0'
    )


def test_a_comment_and_a_name_of_an_instance_cannot_forge_a_line_of_the_log(
    home: Path, tacacs_root: Path, destination: BackupDestination
) -> None:
    assert manage(home, "backup", "tacacs-hq", "--comment", EVIL).returncode == 0
    ended = manage(home, "backup", EVIL)
    assert ended.returncode == 1
    assert ended.stderr.count("\n") == 1
    assert ended.stderr.rstrip("\n").isprintable()
    assert (home / "backupsite.log").stat().st_mode & 0o777 == 0o600
    log = (home / "backupsite.log").read_text()
    assert log.count("\n") == 10
    assert all(
        re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} [A-Z]+ backups backup\.", line) for line in log.splitlines()
    )
    assert BackupExecution.objects.get().comment == EVIL
