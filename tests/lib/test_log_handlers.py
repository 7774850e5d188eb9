"""Handlers that raise, and sites and workers whose log file is broken."""

import logging
from pathlib import Path

import pytest

from backups.lib import audit
from backups.lib.log_handlers import LogFile, log_problem
from backups.models import Heartbeat
from backups.runs.recovery import heartbeats
from backups.service.monitoring.workers import worker_state
from tests.support.processes.held_runs import backup_id, rows
from tests.support.restores.instance_restores import restore, spoil_tacacs, tacacs_state
from tests.support.site_fixtures import BackUp
from tests.support.sites.command_site import Site, copied


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
