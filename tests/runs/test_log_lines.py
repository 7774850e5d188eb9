"""The log lines that are kept beside the row of each run: which ones, how many, and what becomes of them."""

import logging
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import DatabaseError, connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from backups.errors import Unrecorded
from backups.lib import audit
from backups.lib.log_context import RUN_ID, logged_as
from backups.models import BackupExecution, BackupLog, DrillLog, RestoreLog, Run
from backups.runs import log_lines, registry
from backups.runs.describe import describe_log, readable_log
from backups.runs.finish import Ending
from backups.runs.log_lines import BoundedLines, LogLines, kept_log, log_of
from backups.runs.progress import Monitor
from backups.runs.recovery import unrecorded
from backups.runs.recovery.reap import reap
from backups.service.drill.run import drill
from destinations.lib.redaction import HIDDEN
from tests.support.restores.component_restores import restore
from tests.support.rows import an_execution
from tests.support.site_fixtures import BackUp

pytestmark = pytest.mark.django_db
LOGGER = logging.getLogger("backups")


@pytest.fixture(autouse=True)
def _events_are_logged() -> Iterator[None]:
    before = LOGGER.level
    LOGGER.setLevel(logging.INFO)
    yield
    LOGGER.setLevel(before)


@pytest.fixture
def running() -> BackupExecution:
    return an_execution(status=Run.Status.RUNNING)


def lines_of(run: Run) -> list[str]:
    log = describe_log(run)
    return log["lines"] if log else []


def events_of(run: Run) -> list[str]:
    """Return the names of the events of the site in the log of `run`."""
    return [line.split(" ")[3] for line in lines_of(run) if " backups " in line]


def test_a_backup_a_drill_and_a_restore_keep_their_own_lines_to_the_last(tacacs_root: Path, back_up: BackUp) -> None:
    backup = back_up()
    tried = drill(backup, by="tests")
    restored = restore(backup)
    safety = restored.safety_backup
    assert safety is not None
    for run, noun in ((backup, "backup"), (tried, "drill"), (restored, "restore"), (safety, "backup")):
        events = events_of(run)
        assert {f"{noun}.claimed", f"{noun}.stage", f"{noun}.completed"} <= set(events)
        assert {line.split(" ")[4] for line in lines_of(run) if f" {noun}." in line} == {f"{noun}={run.pk}"}
    assert not any(event.startswith("backup.") for event in events_of(restored))
    assert (BackupLog.objects.count(), RestoreLog.objects.count(), DrillLog.objects.count()) == (2, 1, 1)


def test_a_run_that_fails_keeps_its_lines_and_the_traceback_of_what_nobody_foresaw(
    tacacs_root: Path, back_up: BackUp, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise ZeroDivisionError("password=canary-7 the end")

    monkeypatch.setattr(Monitor, "context", fails)
    with pytest.raises(ZeroDivisionError):
        back_up()
    run = BackupExecution.objects.get()
    text = "\n".join(lines_of(run))
    assert events_of(run)[-2:] == ["backup.crashed", "backup.failed"]
    assert "Traceback" in text and HIDDEN in text and "canary-7" not in text


def test_a_line_is_kept_without_secrets_and_codes_and_not_when_it_is_of_another_run(running: BackupExecution) -> None:
    with kept_log(BackupExecution, running.pk):
        audit.log("backup.odd", error="token=canary-8 \x1b[2J\nforged \udce4 \x00")
        logging.getLogger("elsewhere").warning("of a %s", "library")
        with logged_as(RUN_ID, "other"):
            audit.log("backup.other")
    audit.log("backup.after")
    first, second = lines_of(running)
    assert HIDDEN in first and first.isprintable() and "canary-8" not in first
    assert first.startswith(timezone.localdate().isoformat())
    assert second.endswith(" WARNING elsewhere of a library")


def test_nothing_is_written_from_inside_the_work(running: BackupExecution, tmp_path: Path) -> None:
    with kept_log(BackupExecution, running.pk) as log:
        with CaptureQueriesContext(connection) as queries:
            for number in range(50):
                audit.log("backup.note", number=number)
        assert len(queries) == 0
        log.write()
        with CaptureQueriesContext(connection) as queries:
            log.write()
        assert len(queries) == 0


@pytest.mark.django_db(transaction=True)
def test_lines_are_in_the_row_while_the_run_goes_on_with_the_heartbeat(
    running: BackupExecution, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backups.runs.progress.INTERVAL_SECONDS", 0.01)
    with kept_log(BackupExecution, running.pk), Monitor(running) as monitor:
        audit.log("backup.first")
        deadline = timezone.now() + timedelta(seconds=10)
        while not lines_of(running) and timezone.now() < deadline:
            monitor.advance(1)
        # what a kill would leave
        assert events_of(running) == ["backup.first"]


def test_the_first_and_the_last_lines_of_many_are_kept_within_lines_and_bytes(running: BackupExecution) -> None:
    with kept_log(BackupExecution, running.pk) as log:
        log.add(f"number={number}" for number in range(100))
        log.write()
        log.add(f"number={number}" for number in range(100, 10_000))
    kept = lines_of(running)
    numbers = [int(line.rpartition("=")[2]) for line in kept]
    assert numbers == [*range(log_lines.FIRST_LINES), *range(10_000 - log_lines.LAST_LINES, 10_000)]
    shown = readable_log(running)
    assert "9,500 lines" in shown[log_lines.FIRST_LINES] and len(shown) == len(kept) + 1


def test_long_lines_are_cut_and_the_bytes_of_all_of_them_are_bounded(running: BackupExecution) -> None:
    with kept_log(BackupExecution, running.pk) as log:
        log.add(["\U0001d11e" * 10_000] * 12)
    row = BackupLog.objects.get(pk=running.pk)
    assert len(row.first.encode()) <= log_lines.FIRST_BYTES and len(row.last.encode()) <= log_lines.LAST_BYTES
    assert row.left_out and max(map(len, lines_of(running))) < log_lines.LONGEST_LINE + 100


@pytest.mark.parametrize("many", [3, 450, 2000])
def test_lines_that_are_added_later_join_those_before_at_the_end(many: int) -> None:
    one, two = BoundedLines(), BoundedLines()
    whole = [f"line {number}" for number in range(2 * many)]
    for line in whole[:many]:
        one.add(line)
    for line in whole[many:]:
        two.add(line)
    one.extend(two)
    kept = [*one.first, *one.last]
    assert len(kept) + one.left_out == len(whole)
    assert kept == whole[: len(one.first)] + whole[len(whole) - len(one.last) :]
    assert whole[-1] == kept[-1]


def test_of_two_processes_that_write_about_one_run_neither_loses_the_lines_of_the_other(
    running: BackupExecution,
) -> None:
    mine, theirs = (LogLines(BackupExecution, running.pk) for _ in range(2))
    for log, line in ((mine, "one"), (theirs, "two"), (mine, "three"), (theirs, "four")):
        log.add([line])
        log.write()
    assert lines_of(running) == ["one", "two", "three", "four"]


def test_the_lines_of_whoever_recovers_a_dead_run_follow_its_own(running: BackupExecution) -> None:
    with kept_log(BackupExecution, running.pk):
        audit.log("backup.first")
    long_ago = timezone.now() - timedelta(days=1)
    BackupExecution.objects.update(worker="elsewhere:1", heartbeat_at=long_ago)
    reap()
    assert events_of(running) == ["backup.first", "backup.interrupted"]


def test_a_write_that_fails_is_made_up_for_by_the_next_one_and_stops_nothing(
    running: BackupExecution, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with kept_log(BackupExecution, running.pk) as log:
        audit.log("backup.first")
        with monkeypatch.context() as broken:
            broken.setattr(BackupLog._default_manager, "create", _refused)
            with pytest.raises(DatabaseError):
                log.write()
        audit.log("backup.second")
    assert events_of(running) == ["backup.first", "backup.second"]
    other = an_execution("wiki", status=Run.Status.RUNNING)
    monkeypatch.setattr(BackupLog._default_manager, "create", _refused)
    with kept_log(BackupExecution, other.pk):
        audit.log("backup.first")
    assert [line for line in caplog.messages if line.startswith("run.log-not-kept")]
    assert log_of(other) is None


def _refused(**_: object) -> None:
    raise DatabaseError("disk is full")


def test_what_the_database_does_not_take_waits_beside_the_workspace_with_the_end(
    running: BackupExecution, home: Path
) -> None:
    (home / "workspaces").mkdir(exist_ok=True)
    with pytest.raises(Unrecorded), kept_log(BackupExecution, running.pk):
        for number in range(500):
            audit.log("backup.note", number=number, text="x" * 200)
        problem = DatabaseError("disk is full")
        raise unrecorded.save_and_report(running, Ending(Run.Status.FAILED, "It failed."), problem, done="")
    assert log_of(running) is None
    (path,) = (home / "workspaces").glob("*.end")
    assert path.stat().st_size == unrecorded.RESERVED_BYTES
    assert unrecorded.record(running)
    kept = events_of(running)
    # the last ones, as far as there is room
    assert 100 < len(kept) < 500 and kept[-2:] == ["backup.note", "backup.failed"]
    assert " number=499 " in lines_of(running)[-2]


def test_the_line_about_the_end_is_there_before_the_steps_that_follow(
    tacacs_root: Path, back_up: BackUp, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    steps = registry.steps_of(BackupExecution())
    monkeypatch.setattr(steps, "after_end", [lambda run: seen.extend(events_of(run))])
    back_up()
    assert seen[-1] == "backup.completed"


def test_a_run_that_could_not_be_made_leaves_no_log_and_a_deleted_one_takes_its_log_along(
    running: BackupExecution,
) -> None:
    with kept_log(BackupExecution, "no-such-run"):
        audit.log("backup.first")
    with kept_log(BackupExecution, running.pk):
        audit.log("backup.first")
    assert BackupLog.objects.count() == 1
    BackupExecution.objects.filter(pk=running.pk).delete()
    assert not BackupLog.objects.exists()
