"""Commands whose terminal is closed, or from whose keyboard a signal comes, in the middle of their work."""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.core.management import get_commands, load_command_class

from destinations.management.base import OperatorCommand
from tests.support.processes.held_runs import HOOKS, Lock, applying, backup_id, rows
from tests.support.processes.pseudo_terminals import OnTerminal
from tests.support.restores.instance_restores import drafts, spoil_tacacs, tacacs_state
from tests.support.sites.command_site import Site, copied
from tests.support.sites.worker_site import eventually

HELD = """
import sys, time, django; django.setup()
from importlib import import_module
target, seconds = sys.argv[1], 600
module, _, name = target.rpartition(".")
module, _, owner = module.rpartition(".")
owner = getattr(import_module(module), owner)
real = getattr(owner, name)
def hold(*arguments, **options):
    result = real(*arguments, **options)
    if "checking" in arguments or name != "stage":
        time.sleep(seconds)
    return result
setattr(owner, name, hold)
from django.core.management import execute_from_command_line
execute_from_command_line(["manage.py", *sys.argv[2:]])
"""
CLOSED = "(SIGHUP: its terminal was closed)"


@pytest.fixture
def site(site_template: Site, tmp_path: Path) -> Site:
    site = copied(site_template, tmp_path)
    site.declare(HOOKS)
    return site


Run = Callable[..., OnTerminal]


@pytest.fixture
def on_terminal(site: Site) -> Iterator[Run]:
    """Return a function that runs a command of the site on a terminal; `held_at` names where it stays for ever."""
    running: list[OnTerminal] = []

    def run(*arguments: str, held_at: str = "", launcher: str = "") -> OnTerminal:
        program = [sys.executable, "-c", HELD, held_at] if held_at else [sys.executable, "manage.py"]
        before = ["sh", "-c", launcher, "sh"] if launcher else []
        environment = site.environment(BACKUP_LOCK_TIMEOUT="60")
        running.append(OnTerminal([*before, *program, *arguments], environment))
        return running[-1]

    yield run
    for one in running:
        one.kill()


def held_in_safety(site: Site, run: Run) -> tuple[OnTerminal, Lock | None]:
    lock = Lock(site)
    command = run("restore", backup_id(site), "--confirm")
    eventually(lambda: rows(site, "stage, kind", "backup_executions")[0] == ("exporting", "safety"))
    return command, lock


def held_in_hook(site: Site, run: Run) -> tuple[OnTerminal, Lock | None]:
    command = run("restore", backup_id(site), "--confirm")
    eventually((site.instance / "hooks.log").exists)
    return command, None


def held_applying(site: Site, run: Run) -> tuple[OnTerminal, Lock | None]:
    command, _ = held_in_hook(site, run)
    lock = Lock(site, "IMMEDIATE")
    (site.instance / "go").touch()
    eventually(lambda: applying(site, "metrics"))
    return command, lock


HOLDS = {
    "safety": (held_in_safety, "Nothing was changed.", ""),
    "stopping": (held_in_hook, "Nothing was changed.", "stopped\nstarted\n"),
    "applying": (held_applying, "What it had changed was rolled back.", "stopped\nstarted\n"),
}
SIGNALS: dict[str, tuple[Callable[[OnTerminal], None], int, str]] = {
    "terminal closed": (lambda one: one.close(), 129, CLOSED),
    "Ctrl-\\": (lambda one: one.press(b"\x1c"), 131, "(SIGQUIT)"),
    "Ctrl-C": (lambda one: one.press(b"\x03"), 130, ""),
}


@pytest.mark.parametrize("how", SIGNALS)
@pytest.mark.parametrize("stage", HOLDS)
def test_a_restore_on_a_terminal_that_goes_is_rolled_back_and_its_service_started(
    stage: str, how: str, site: Site, on_terminal: Run
) -> None:
    spoil_tacacs(site.instance)
    before = tacacs_state(site.instance)
    hold, aftermath, hooks = HOLDS[stage]
    strike, code, reason = SIGNALS[how]
    command, lock = hold(site, on_terminal)

    strike(command)
    if lock is not None:
        eventually(lambda: command.process.poll() is not None or stage == "applying")
        lock.close()
    (site.instance / "go").touch()

    assert command.ended() == code
    assert tacacs_state(site.instance) == before
    assert drafts(site.instance) == []
    assert list((site.home / "workspaces").iterdir()) == []
    ((status, message),) = rows(site, "status, error_message", "restore_executions")
    assert status == "interrupted"
    assert reason in message and aftermath.lower() in message.lower()
    log = site.instance / "hooks.log"
    assert (log.read_text() if log.exists() else "") == hooks
    if how != "terminal closed":
        assert f"Error: {message}" in command.text().replace("\n", "")


def test_a_restore_whose_data_is_proven_when_the_terminal_goes_is_completed(site: Site, on_terminal: Run) -> None:
    good = tacacs_state(site.instance)
    spoil_tacacs(site.instance)
    (site.instance / "go").touch()
    before_hook, after_hook = HOOKS.rstrip().rsplit("\n", 1)
    site.declare(f"{before_hook}\n{after_hook.replace('! -e go', '! -e go-on')}\n")
    command = on_terminal("restore", backup_id(site), "--confirm")
    log = site.instance / "hooks.log"
    eventually(lambda: log.exists() and "started" in log.read_text())

    command.close()
    time.sleep(0.3)
    assert command.process.poll() is None
    (site.instance / "go-on").touch()

    command.ended()
    assert rows(site, "status, error_message", "restore_executions") == [("completed", "")]
    assert tacacs_state(site.instance) == good
    assert list((site.home / "workspaces").iterdir()) == []


def test_what_ignores_a_closed_terminal_goes_on_and_output_that_cannot_be_written_fails_nothing(
    site: Site, on_terminal: Run
) -> None:
    good = tacacs_state(site.instance)
    spoil_tacacs(site.instance)
    command = on_terminal("restore", backup_id(site), "--confirm", launcher="trap '' HUP; exec \"$@\"")
    eventually((site.instance / "hooks.log").exists)

    command.close()
    (site.instance / "go").touch()

    assert command.ended() == os.EX_IOERR
    assert rows(site, "status, error_message", "restore_executions") == [("completed", "")]
    assert tacacs_state(site.instance) == good
    assert (site.instance / "hooks.log").read_text() == "stopped\nstarted\n"


def test_a_backup_whose_terminal_is_closed_ends_in_order(site: Site, on_terminal: Run) -> None:
    lock = Lock(site)
    command = on_terminal("backup", "tacacs-hq")
    eventually(lambda: rows(site, "stage", "backup_executions")[0] == ("exporting",))

    command.close()

    assert command.ended() == 129
    lock.close()
    status, message = rows(site, "status, error_message", "backup_executions")[0]
    assert status == "interrupted" and CLOSED in message
    assert list((site.home / "workspaces").iterdir()) == []
    assert [path.name for path in (site.home / "backups").rglob("*.part")] == []


def test_a_drill_whose_terminal_is_closed_leaves_no_plain_database(site: Site, on_terminal: Run) -> None:
    command = on_terminal("drill", "tacacs-hq", held_at="backups.runs.progress.Monitor.stage")
    eventually(lambda: list((site.home / "workspaces").rglob("devices.db")))
    eventually(lambda: rows(site, "stage", "drill_executions") == [("checking",)])

    command.close()

    assert command.ended() == 129
    ((status, verdict, message),) = rows(site, "status, verdict, error_message", "drill_executions")
    assert (status, verdict) == ("interrupted", "") and CLOSED in message
    assert list((site.home / "workspaces").iterdir()) == []


def test_a_test_of_a_destination_that_is_terminated_leaves_nothing_there(site: Site, on_terminal: Run) -> None:
    before = sorted((site.home / "backups").rglob("*"))
    command = on_terminal("testdestination", "nas", held_at="destinations.backends.local.LocalDestination.get")
    eventually(lambda: sorted((site.home / "backups").rglob("*")) != before)

    command.close()

    assert command.ended() == 129
    assert sorted((site.home / "backups").rglob("*")) == before


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGQUIT, signal.SIGXCPU, signal.SIGUSR1, signal.SIGUSR2])
def test_a_second_signal_of_any_kind_does_not_disturb_the_rollback(
    number: signal.Signals, site: Site, on_terminal: Run
) -> None:
    spoil_tacacs(site.instance)
    before = tacacs_state(site.instance)
    command, lock = held_applying(site, on_terminal)

    command.close()
    for _ in range(20):
        if command.process.poll() is None:
            os.kill(command.process.pid, number)
        time.sleep(0.01)
    assert lock is not None
    lock.close()

    # of signals that come in one moment, any may be the first
    assert command.ended() in (129, 128 + number)
    assert tacacs_state(site.instance) == before
    assert rows(site, "status", "restore_executions") == [("interrupted",)]
    assert (site.instance / "hooks.log").read_text() == "stopped\nstarted\n"


def test_every_command_of_the_project_ends_in_order() -> None:
    ours = {name: app for name, app in get_commands().items() if app in ("backups", "destinations")}
    assert len(ours) > 25
    for name, app in ours.items():
        command = load_command_class(app, name)
        assert isinstance(command, OperatorCommand), name
        # what monitoring systems start has exit codes of its own, around the same handling
        if name not in ("checkoverdue", "status"):
            assert type(command).handle is OperatorCommand.handle, name
