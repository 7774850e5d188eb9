"""A log file that cannot be written and a handler that fails stop no backup and lose no line silently."""

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from backups.lib import audit
from backups.lib.log_handlers import LogFile, StandardError, log_problem
from backups.models import Heartbeat
from backups.runs.recovery import heartbeats
from backups.service.monitoring.workers import worker_state
from tests.support.file_systems import remount_read_only, small_disk
from tests.support.processes.held_runs import backup_id, rows
from tests.support.restores.instance_restores import restore, spoil_tacacs, tacacs_state
from tests.support.site_fixtures import BackUp
from tests.support.sites.command_site import Site, copied

Break = Callable[[Path, ExitStack], Callable[[], object]]


def _replaced_by_a_folder(folder: Path, _: ExitStack) -> Callable[[], object]:
    file = folder / "site.log"
    file.rename(folder / "site.log.1")
    file.mkdir()
    return file.rmdir


def _folder_gone(folder: Path, _: ExitStack) -> Callable[[], object]:
    away = folder.with_name("away")
    folder.rename(away)
    return lambda: away.rename(folder)


def _full(folder: Path, _: ExitStack) -> Callable[[], object]:
    with (folder / "filler").open("wb", buffering=0) as filler, pytest.raises(OSError, match="No space left"):
        while True:
            filler.write(b"\1" * 4096)
    return (folder / "filler").unlink


BREAKS: dict[str, tuple[Break, str]] = {
    "a folder in its place": (_replaced_by_a_folder, "Is a directory"),
    "its folder is gone": (_folder_gone, "No such file or directory"),
    "the disk is full": (_full, "No space left on device"),
}


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


class Log:
    """Writes lines to the log file ``logs/site.log``, as a command does that keeps its terminal for the answer."""

    def __init__(self, tmp_path: Path) -> None:
        self.handler = LogFile(str(tmp_path / "logs" / "site.log"))
        self.handler.setFormatter(logging.Formatter("%(message)s"))

    def __call__(self, message: str, *arguments: object) -> None:
        self.handler.handle(logging.LogRecord("tests", logging.WARNING, "", 0, message, arguments, None))


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Log]:
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [one for one in root.handlers if not isinstance(one, StandardError)])
    log = Log(tmp_path)
    yield log
    log.handler.close()


@pytest.mark.parametrize("how", BREAKS)
def test_lines_that_cannot_be_written_go_to_standard_error_until_the_file_is_writable(
    how: str, tmp_path: Path, write: Log, stack: ExitStack, capfd: pytest.CaptureFixture[str]
) -> None:
    spoil, reason = BREAKS[how]
    folder = tmp_path / "logs"
    folder.mkdir()
    if how == "the disk is full":
        stack.enter_context(small_disk(folder, megabytes=0.25))
    write("one")
    mend = spoil(folder, stack)
    problem = f"The log file {folder}/site.log cannot be written: {reason}."

    # as long as a page of the disk: what is left of the last one is not enough
    lines = [name * 5000 for name in ("two", "three")]
    for line in lines:
        write(line)
    said = capfd.readouterr().err.splitlines()
    assert said == [f"WARNING {problem} Until it can be written, its lines go to standard error.", *lines]
    handler = write.handler
    assert (handler.problem, handler.check()) == (problem, problem)

    mend()
    write("four")
    assert capfd.readouterr().err == ""
    assert (handler.problem, handler.check()) == ("", "")
    written = [line for line in (folder / "site.log").read_text().splitlines() if line.strip("twohre")]
    gap, last = written[-2:]
    assert last == "four"
    assert gap.startswith("log.gap lines=2 lost=0 since=")


def test_a_check_ends_the_gap_without_a_further_line(tmp_path: Path, write: Log) -> None:
    (tmp_path / "logs").mkdir()
    mend = _replaced_by_a_folder_of(tmp_path, write)
    assert write.handler.check() != ""
    mend()
    assert write.handler.check() == ""
    assert (tmp_path / "logs" / "site.log").read_text().startswith("log.gap lines=1 ")


def _replaced_by_a_folder_of(tmp_path: Path, write: Log) -> Callable[[], object]:
    write("one")
    mend = _replaced_by_a_folder(tmp_path / "logs", ExitStack())
    write("two")
    return mend


def test_a_line_that_nobody_takes_is_counted(tmp_path: Path, write: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    with Path("/dev/full").open("w") as full, monkeypatch.context() as patch:
        patch.setattr(sys, "stderr", full)
        write("one")
    (tmp_path / "logs").mkdir()
    write("two")
    gap, line = (tmp_path / "logs" / "site.log").read_text().splitlines()
    assert gap.startswith("log.gap lines=1 lost=1 since=")
    assert line == "two"


def test_a_file_system_that_became_read_only_is_said_before_a_line_is_lost(
    tmp_path: Path, write: Log, stack: ExitStack, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = stack.enter_context(small_disk(tmp_path / "logs", megabytes=1))
    write("one")
    handler = write.handler
    handler.close()
    assert handler.check() == ""
    remount_read_only(folder)
    assert handler.check() == f"The log file {folder}/site.log cannot be written: Read-only file system."


def test_a_file_that_was_moved_away_is_made_anew_for_its_owner_alone(tmp_path: Path, write: Log) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    write("one")
    (folder / "site.log").rename(folder / "site.log.1")
    write("two")
    assert (folder / "site.log.1").read_text() == "one\n"
    assert (folder / "site.log").read_text() == "two\n"
    assert (folder / "site.log").stat().st_mode & 0o777 == 0o600


def test_a_line_that_cannot_be_made_ends_nothing_and_shows_no_value(
    tmp_path: Path, write: Log, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "logs").mkdir()
    write("%d", "hunter2")
    text = (tmp_path / "logs" / "site.log").read_text()
    assert text == "WARNING tests a line of the log could not be formatted: TypeError\n"
    assert capfd.readouterr().err == ""


class Raising(logging.Handler):
    """A handler of somebody else, which fails at the lines that hold `word`."""

    def __init__(self, word: str, error: Exception) -> None:
        super().__init__()
        self._word, self._error = word, error

    def emit(self, record: logging.LogRecord) -> None:
        if self._word in record.getMessage():
            raise self._error


@pytest.mark.django_db
@pytest.mark.parametrize("error", [RuntimeError("hunter2"), RecursionError(), PermissionError(13, "no")])
def test_a_handler_that_raises_ends_no_restore_and_its_event_goes_to_standard_error(
    error: Exception, tacacs_root: Path, back_up: BackUp, capfd: pytest.CaptureFixture[str]
) -> None:
    backup = back_up()
    good = tacacs_state(tacacs_root)
    spoil_tacacs(tacacs_root)
    handler = Raising("restore.", error)
    logging.getLogger("backups").addHandler(handler)
    try:
        assert restore(backup).status == "completed"
    finally:
        logging.getLogger("backups").removeHandler(handler)
    assert tacacs_state(tacacs_root) == good
    said = capfd.readouterr().err
    assert f"INFO restore.completed restore={backup.restores.get().pk}" in said
    assert f"(the log failed: {type(error).__name__})" in said
    assert "hunter2" not in said


def test_an_error_that_was_not_foreseen_is_logged_even_by_a_handler_that_raises(
    capfd: pytest.CaptureFixture[str],
) -> None:
    handler = Raising("restore.crashed", RuntimeError())
    logging.getLogger("backups").addHandler(handler)
    try:
        audit.crashed("restore.crashed", ValueError("x"), execution="1")
    finally:
        logging.getLogger("backups").removeHandler(handler)
    assert "ERROR restore.crashed execution=1 (the log failed: RuntimeError)" in capfd.readouterr().err


# --- processes ----------------------------------------------------------------------------------------------------


@pytest.fixture
def site(site_template: Site, tmp_path: Path) -> Site:
    return copied(site_template, tmp_path)


def test_commands_work_with_a_log_file_that_cannot_be_opened_and_say_so_once(site: Site) -> None:
    elsewhere = {"LOG_FILE": str(site.home / "no-such-folder" / "site.log")}
    ended = site.run("backup", "tacacs-hq", **elsewhere)
    assert ended.code == 0
    assert rows(site, "status", "backup_executions")[0] == ("completed",)
    problem = f"The log file {elsewhere['LOG_FILE']} cannot be written: No such file or directory."
    assert ended.err.count(problem) == 1
    # what the log would have had
    assert "INFO backups backup.completed backup=" in ended.err
    assert ended.out.startswith("completed  ")

    checked = site.run("check", **elsewhere)
    assert checked.code == 0
    assert f"(backups.W080) {problem}" in checked.err
    assert "W080" not in site.run("check").err


def test_a_log_file_that_breaks_while_a_restore_applies_does_not_fail_it(site: Site) -> None:
    good = tacacs_state(site.instance)
    spoil_tacacs(site.instance)
    log = site.home / "backupsite.log"
    site.declare(f'[tacacs-hq.hooks]\nbefore_restore = ["sh", "-c", "rm -f {log}; mkdir {log}"]\n')
    ended = site.run("restore", backup_id(site), "--confirm")
    assert ended.code == 0, ended.err
    assert tacacs_state(site.instance) == good
    assert rows(site, "status", "restore_executions") == [("completed",)]
    assert ended.err.count("cannot be written: Is a directory.") == 1
    assert "restore.completed restore=" in ended.err


@pytest.mark.django_db
def test_the_problem_of_a_worker_with_its_log_is_shown_until_it_is_gone(home: Path, tacacs_root: Path) -> None:
    problem = "The log file /var/log/site.log cannot be written: Permission denied."
    heartbeats.beat("worker x:1", Heartbeat.Kind.WORKER, "backups", problem=problem)
    (shown,) = worker_state().problems
    assert shown.message.endswith(problem)
    heartbeats.beat("worker x:1", Heartbeat.Kind.WORKER, "backups")
    assert worker_state().problems == ()


def test_the_site_looks_at_its_own_log_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (handler,) = [one for one in logging.getLogger().handlers if isinstance(one, LogFile)]
    assert log_problem() == ""
    monkeypatch.setattr(handler, "path", tmp_path)
    assert log_problem() == f"The log file {tmp_path} cannot be written: Is a directory."
