"""What a drill or a verification found out is kept with the backup, and a backup that failed one is no good one."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from backups.archive.errors import ArchiveError
from backups.errors import BackupError, Cancelled, ComponentError, NotCheckable, ScratchFailed, TimedOut
from backups.models import BackupExecution, DrillExecution
from backups.service.drill.result import is_about_the_archive
from backups.service.drill.run import drill, newest_good_backup, verify_backup
from backups.service.monitoring.protection import protections
from backups.service.retention.plan import plan_prune
from backups.signals import verification_finished
from destinations.exceptions import DestinationFull, DestinationUnavailable, NotFound
from destinations.models import BackupDestination
from tests.service.archives.test_verify import flipped
from tests.support.archives.stored import file_of
from tests.support.call_commands import command
from tests.support.rows import a_destination, a_drill, a_manifest, an_execution
from tests.support.site_fixtures import BackUp

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)
Reasons = Callable[[BackupExecution], str]


@contextmanager
def heard() -> Iterator[list[tuple[BackupExecution, str]]]:
    found: list[tuple[BackupExecution, str]] = []

    def hear(execution: BackupExecution, drill: DrillExecution, **_: object) -> None:
        found.append((execution, drill.verdict))

    verification_finished.connect(hear)
    try:
        yield found
    finally:
        verification_finished.disconnect(hear)


@pytest.mark.parametrize(
    ("error", "says_something"),
    [
        (ArchiveError("its SHA-256 differs"), True),
        (ComponentError("orders.db is corrupt"), True),
        (NotFound("There is no file x."), True),
        (DestinationUnavailable("the server is down"), False),
        (DestinationFull("no space is left"), False),
        (NotCheckable("It takes longer than 30 s."), False),
        (ScratchFailed("No space left while copying orders.db."), False),
        (BackupError("the workspace has 3 bytes free"), False),
        (Cancelled("cancelled by alice"), False),
        (TimedOut("It ran longer than 2 seconds."), False),
        (KeyError("x"), False),
        (SystemExit(143), False),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_about_the_archive_is_told_from_what_is_not(error: BaseException, says_something: bool) -> None:
    assert is_about_the_archive(error) is says_something


def test_a_failed_verification_is_kept_until_one_passes(
    tacacs_root: Path, back_up: BackUp, caplog: pytest.LogCaptureFixture
) -> None:
    backup = back_up()
    archive = file_of(backup)
    whole = archive.read_bytes()
    verify_backup(backup, by="tests")
    archive.write_bytes(flipped(whole, len(whole) // 2))
    caplog.clear()
    with heard() as signals, pytest.raises(ArchiveError):
        verify_backup(backup, by="tests")
    backup.refresh_from_db()
    assert (backup.flaw, backup.verified_at) == ("its verification failed", None)
    assert backup.verification is not None
    assert backup.verification["verdict"] == "failed"
    assert backup.verification["hint"].startswith("It was changed or damaged there")
    assert signals == [(backup, "failed")]
    (record,) = [record for record in caplog.records if "verification.failed" in record.message]
    assert (record.levelname, "verdict=failed" in record.message) == ("ERROR", True)
    assert [run.verdict for run in backup.drills.order_by("created_at")] == ["passed", "failed"]
    assert command("showbackup", backup.pk, "--json").data["verification"]["verdict"] == "failed"
    assert "verification           failed at " in command("showbackup", backup.pk).out
    assert newest_good_backup("tacacs-hq") is None

    archive.write_bytes(whole)
    verify_backup(backup, by="tests")
    backup.refresh_from_db()
    assert (backup.flaw, backup.verified_at is not None) == ("", True)
    assert newest_good_backup("tacacs-hq") == backup


def test_a_drill_that_passes_refutes_a_failed_verification_but_not_the_other_way_round(
    tacacs_root: Path, back_up: BackUp
) -> None:
    backup = back_up()
    a_drill(backup, kind="verification", verdict="failed")
    assert drill(backup, by="tests").verdict == "passed"
    backup.refresh_from_db()
    assert backup.flaw == ""
    a_drill(backup, verdict="failed", error_message="an index lost an entry")
    verify_backup(backup, by="tests")
    backup.refresh_from_db()
    assert (backup.flaw, backup.verified_at is not None) == ("its drill failed", True), "a verification sees less"


@pytest.mark.parametrize("kind", ["drill", "verification"])
def test_retention_does_not_count_a_backup_that_failed_one_and_keeps_it(kind: str) -> None:
    nas = a_destination(retention_strategy="simple", keep_count=1, min_keep=1)
    older, newer = taken(nas, 2), taken(nas, 1)
    assert kept(nas) == {newer.pk: True, older.pk: False}
    a_drill(newer, kind=kind, verdict="failed")
    plan = plan_prune(nas, timezone.now())
    assert [(entry.execution.pk, entry.keep) for entry in plan.entries] == [(newer.pk, True), (older.pk, True)]
    assert plan.entries[0].reason.endswith(f"needs attention: its {kind} failed")
    a_drill(newer, kind="drill", verdict="passed")
    assert kept(nas) == {newer.pk: True, older.pk: False}


def taken(destination: BackupDestination, days: int) -> BackupExecution:
    """Return a verified backup of so many days ago."""
    manifest = a_manifest(timestamp_utc=(timezone.now() - days * DAY).isoformat()).to_dict()
    return an_execution(age=days * DAY, destination=destination, verified_at=timezone.now(), manifest_json=manifest)


def kept(destination: BackupDestination) -> dict[str, bool]:
    return {entry.execution.pk: entry.keep for entry in plan_prune(destination, timezone.now()).entries}


def test_the_newest_good_backup_is_one_that_nothing_speaks_against() -> None:
    older, newer = an_execution(age=3 * DAY), an_execution(age=DAY / 2)
    assert good() == newer
    a_drill(newer, kind="verification", verdict="failed")
    assert good() == older
    a_drill(older, verdict="failed")
    assert good() is None
    a_drill(newer, kind="verification", verdict="passed")
    assert good() == newer


def good() -> BackupExecution | None:
    (state,) = protections(names=["shop"])
    return state.good
