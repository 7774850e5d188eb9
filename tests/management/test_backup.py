"""The commands as operators and their scripts run them: exit codes, one line of error, JSON."""

import json
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from backups.models import BackupExecution
from backups.runs.claim import claim
from backups.runs.workspace import workspace
from backups.service.backup.start import start_backup
from destinations.models import BackupDestination
from tests.instances.kinds.tacacs.test_component import ARCHIVE
from tests.support.archives.stored import file_of
from tests.support.databases.sqlite_files import exclusively_locked
from tests.support.processes.project_programs import manage, manage_here, start
from tests.support.site_fixtures import TACACS, BackUp, Declare

pytestmark = pytest.mark.django_db(transaction=True)


def answer(*arguments: str) -> Any:
    """Return the JSON that a command answers with."""
    return json_of(manage_here(*arguments, "--json"))


def json_of(ended: "subprocess.CompletedProcess[str]") -> Any:
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.count("\n") == 1
    return json.loads(ended.stdout)


def refusal(ended: "subprocess.CompletedProcess[str]", code: int = 1) -> str:
    """Return the one line that a command says on stderr when it fails."""
    assert ended.returncode == code, ended.stderr
    assert ended.stdout == ""
    assert ended.stderr.count("\n") == 1, ended.stderr
    assert ended.stderr.startswith("Error: ")
    return ended.stderr.removeprefix("Error: ").strip()


def test_a_backup_is_described_in_words_with_its_warnings(
    home: Path, tacacs_root: Path, destination: BackupDestination, declare: Declare
) -> None:
    declare(TACACS.format(root=tacacs_root) + 'optional = ["audit"]')
    (tacacs_root / "data" / "audit_trail.db").unlink()
    ended = manage(home, "backup", "tacacs-hq", "--comment", "by hand")
    assert (ended.returncode, ended.stderr) == (0, "")
    execution = BackupExecution.objects.get()
    assert execution.comment == "by hand"
    lines = ended.stdout.splitlines()
    assert lines[0] == f"completed  {execution.backup_path} at nas"
    assert lines[1].split(",")[0].strip() == "7 files"
    assert lines[2].split() == ["SHA-256", execution.archive_sha256]
    assert lines[3].split() == ["id", execution.pk]
    assert lines[4] == f"warning    audit is not in this backup: {tacacs_root}/data/audit_trail.db does not exist."


def test_a_backup_answers_a_script_with_what_it_needs(
    home: Path, tacacs_root: Path, destination: BackupDestination
) -> None:
    data = json_of(manage(home, "backup", "tacacs-hq", "--destination", "nas", "--json"))
    execution = BackupExecution.objects.get()
    assert (data["id"], data["status"], data["warnings"]) == (execution.pk, "completed", [])
    assert Path(home, "backups", "nas", data["backup_path"]).name == data["backup_filename"]
    assert data["archive_sha256"] == execution.archive_sha256
    assert data["compressed_size_bytes"] == file_of(execution).stat().st_size
    assert data["size_bytes"] == execution.size_bytes
    assert data["files_included"] == 8
    assert 0 < data["duration_seconds"] < 30


REFUSED: dict[str, tuple[list[str], str]] = {
    "an unknown instance": (["backup", "shop"], "There is no instance 'shop' (known: tacacs-hq). "),
    "an unknown destination": (
        ["backup", "tacacs-hq", "--destination", "cloud"], "There is no destination 'cloud'",
    ),
    "an unknown backup": (
        ["showbackup", "0123456789"], "There is no backup '0123456789'",
    ),
    "a file that is not there": (["verifybackup", "--file", "/none.tar.gz"], "/none.tar.gz cannot be read: No such"),
    "a file that is no archive": (["verifybackup", "--file", "/etc/passwd", "--json"], "The archive "),
    "a limit below zero": (["listbackups", "--limit", "-1"], "--limit must not be negative"),
    "an address that is none": (["quickstart", "--bind", "8000"], "--bind '8000' is not HOST:PORT"),
}  # fmt: skip


@pytest.mark.parametrize(("arguments", "expected"), REFUSED.values(), ids=list(REFUSED))
def test_a_refusal_is_one_line_and_exit_code_1(
    home: Path, tacacs_root: Path, destination: BackupDestination, arguments: list[str], expected: str
) -> None:
    assert refusal(manage_here(*arguments)).startswith(expected)
    assert not BackupExecution.objects.exists()


def test_a_failed_backup_is_one_line_with_its_reason_and_a_hint(
    home: Path, tacacs_root: Path, destination: BackupDestination
) -> None:
    (tacacs_root / "data" / "devices.db").unlink()
    assert refusal(manage(home, "backup", "tacacs-hq", "--json")) == (
        f"{tacacs_root}/data/devices.db does not exist. Correct its path, or mark the component optional."
    )
    assert BackupExecution.objects.get().status == "failed"


def test_a_second_backup_says_that_the_instance_is_busy_and_leaves_nothing_queued(
    home: Path, tacacs_root: Path, destination: BackupDestination
) -> None:
    running = start_backup("tacacs-hq", destination, by="tests")
    with workspace(running.pk):
        claim(running)
        assert "nother backup of tacacs-hq is running" in refusal(manage_here("backup", "tacacs-hq"))
    second = BackupExecution.objects.exclude(pk=running.pk).get()
    assert second.status == "cancelled"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_backup_that_is_terminated_says_so_in_one_line(
    home: Path, tacacs_root: Path, destination: BackupDestination, number: signal.Signals, code: int
) -> None:
    with exclusively_locked(tacacs_root / "data" / "audit_trail.db"):
        process = start(home, "manage.py", "backup", "tacacs-hq", BACKUP_LOCK_TIMEOUT="30")
        while not BackupExecution.objects.filter(stage="exporting").exists():
            assert process.poll() is None
            time.sleep(0.02)
        process.send_signal(number)
        out, err = process.communicate(timeout=20)
    ended = subprocess.CompletedProcess([], process.returncode, out, err)
    assert refusal(ended, code).endswith("It is interrupted.")
    assert BackupExecution.objects.get().status == "interrupted"
    assert list((home / "workspaces").iterdir()) == []


def test_backups_are_listed_and_filtered(home: Path, tacacs_root: Path, back_up: BackUp) -> None:
    good = back_up()
    bad = start_backup("tacacs-hq", good.destination, by="tests")
    BackupExecution.objects.filter(pk=bad.pk).update(status="failed", error_message="it went wrong")
    listed = answer("listbackups")
    assert [row["id"] for row in listed] == [bad.pk, good.pk]
    assert [row["id"] for row in answer("listbackups", "tacacs-hq", "--status", "completed")] == [good.pk]
    assert answer("listbackups", "--destination", "nas", "--limit", "1")[0]["id"] == bad.pk
    assert answer("listbackups", "shop") == []
    ended = manage_here("listbackups")
    head, *rows = ended.stdout.splitlines()
    assert head.split()[:3] == ["id", "instance", "status"]
    assert "it went wrong" in rows[0]
    assert good.backup_filename in rows[1]


def test_a_backup_is_shown_by_the_beginning_of_its_id(home: Path, tacacs_root: Path, back_up: BackUp) -> None:
    execution = back_up()
    data = answer("showbackup", execution.pk[:8])
    assert data["id"] == execution.pk
    assert data["manifest"] == execution.manifest_json
    shown = manage_here("showbackup", execution.pk).stdout
    assert execution.manifest_json is not None
    for entry in execution.manifest_json["contents"]:
        assert entry["checksum_sha256"] in shown


def test_an_archive_file_is_shown_and_verified_wherever_it_comes_from(
    home: Path, tacacs_root: Path, destination: BackupDestination, tmp_path: Path
) -> None:
    copy = shutil.copy(ARCHIVE, tmp_path / "theirs.tar.gz")
    assert answer("showbackup", "--file", str(copy))["manifest"]["backup_metadata"]["triggered_by"] == "ceo"
    assert answer("verifybackup", "--file", str(copy)) == {
        "verified": True, "subject": str(copy), "files": 8, "databases": 6, "signature": "not signed", "warnings": [],
        "destination": None,
    }  # fmt: skip


def test_verification_says_good_or_why_not(home: Path, tacacs_root: Path, back_up: BackUp) -> None:
    execution = back_up()
    assert answer("verifybackup", execution.pk)["databases"] == 6
    file_of(execution).write_bytes(b"something else")
    assert refusal(manage_here("verifybackup", execution.pk)).startswith(
        f"{execution.backup_path} at nas is not what was uploaded: its SHA-256 differs"
    )


def test_a_queued_backup_waits_for_a_worker(home: Path, tacacs_root: Path, destination: BackupDestination) -> None:
    data = answer("backup", "tacacs-hq", "--queue")
    assert data["status"] == "queued"
    assert BackupExecution.objects.get(pk=data["id"]).status == "queued"


def test_a_site_without_tables_says_what_to_do(home: Path, tmp_path: Path, destination: BackupDestination) -> None:
    ended = manage(home, "listbackups", DATABASE_URL=f"sqlite:///{tmp_path}/empty.sqlite3")
    said = refusal(ended)
    assert said.startswith("The database cannot be used: no such table: backup_executions")
    assert said.endswith("Run 'manage.py migrate' first.")
