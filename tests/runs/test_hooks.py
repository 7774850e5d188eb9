"""Hooks: no shell, a timeout, output stored without secrets, no process left behind after the timeout."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from backups.errors import BackupError
from backups.instances import get_instance
from backups.models import RestoreExecution
from backups.runs import hooks
from backups.runs.hooks import run_hook
from tests.support.paths import PROJECT

pytestmark = pytest.mark.django_db
Declare = Callable[[str], None]


@pytest.fixture
def run(store: Path) -> RestoreExecution:
    return RestoreExecution.objects.create(
        instance="store", archive_file="/x", archive_sha256="0" * 64, triggered_by="tests", status="running"
    )


@pytest.fixture
def hook(run: RestoreExecution, home: Path, declare: Declare) -> Callable[..., dict[str, object]]:
    """Return a function that runs a hook and returns what is kept of it."""
    site = (home / "instances.toml").read_text()

    def call(*argv: str, timeout: int = 10) -> dict[str, object]:
        declare(f"{site}[store.hooks]\nbefore_restore = {json.dumps(argv)}\ntimeout = {timeout}\n")
        run_hook("before_restore", get_instance("store"), run)
        kept: dict[str, object] = RestoreExecution.objects.get(pk=run.pk).hook_output[-1]
        return kept

    return call


Hook = Callable[..., dict[str, object]]


def kept(run: RestoreExecution) -> dict[str, object]:
    run.refresh_from_db()
    output: dict[str, object] = run.hook_output[-1]
    return output


def test_words_reach_the_program_as_they_are_without_a_shell(hook: Hook, store: Path) -> None:
    note = hook(
        sys.executable, "-c", "import os, sys; print(sys.argv[1:], os.getcwd())", "a b", "$HOME", "*; false", "'"
    )
    assert note["output"] == f"{['a b', '$HOME', '*; false', chr(39)]} {store}\n"
    assert (note["hook"], note["exit_code"]) == ("before_restore", 0)


def test_both_outputs_are_kept_in_their_order(hook: Hook) -> None:
    assert hook("sh", "-c", "echo out; echo err >&2; printf '\\377\\000'")["output"] == "out\nerr\n\ufffd\ufffd"


def test_it_is_told_for_which_instance_and_run(hook: Hook, run: RestoreExecution) -> None:
    assert hook("sh", "-c", "echo $BACKUPSITE_INSTANCE $BACKUPSITE_RUN")["output"] == f"store {run.pk}\n"


SECRETS = (
    "BACKUP_ENCRYPTION_PASSPHRASE", "BACKUP_SECRETS_KEY", "BACKUP_ENCRYPTION_IDENTITY_FILE", "SECRET_KEY",
    "DATABASE_URL", "DATABASE_URL_FILE", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN",
    "AZURE_CREDENTIAL", "PGPASSWORD", "MY_API_KEY",
)  # fmt: skip


def test_our_settings_and_secrets_do_not_reach_it(hook: Hook, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in SECRETS:
        monkeypatch.setenv(name, "hunter2")
    monkeypatch.setenv("HARMLESS", "kept")
    printed = str(hook("env")["output"])
    assert "hunter2" not in printed
    assert "HARMLESS=kept\n" in printed and "PATH=" in printed


@pytest.mark.parametrize("secret", ["password=hunter2", '"api_key": "hunter2"', "https://bob:hunter2@example.org/x"])
def test_secrets_in_its_output_are_hidden(secret: str, hook: Hook) -> None:
    printed = str(hook("echo", f"see {secret}")["output"])
    assert "hunter2" not in printed and "[hidden]" in printed


def test_of_much_output_the_end_is_kept_and_no_half_secret(hook: Hook) -> None:
    program = (
        "import sys; sys.stdout.write('token=' + 'hunter2' * 200_000 + '\\n');"
        "sys.stdout.write('line\\n' * 10); print('the end')"
    )
    printed = str(hook(sys.executable, "-c", program)["output"])
    assert printed == "line\n" * 10 + "the end\n"
    printed = str(hook(sys.executable, "-c", "print('x' * 79, sep='\\n', end='\\n' * 50_000)")["output"])
    assert len(printed) == 20_000


def test_a_long_line_of_words_and_hyphens_costs_nothing_and_its_end_is_kept(hook: Hook) -> None:
    began = time.process_time()
    printed = str(hook(sys.executable, "-c", "print('ab-' * 3_000_000, 'token=hunter2', 'cd-' * 6_000)")["output"])
    assert time.process_time() - began < 2
    assert printed.endswith("cd-cd-\n") and "hunter2" not in printed


def test_one_that_prints_without_end_does_not_fill_the_disk(hook: Hook, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hooks, "DISK_LIMIT", 1 << 20)
    program = """
import os, time
for _ in range(30):
    os.write(1, b"so it goes on and on\\n" * 50_000)
until = time.monotonic() + 8
while os.fstat(1).st_blocks * 512 > 1 << 20 and time.monotonic() < until:
    time.sleep(0.05)
print("and on\\ntakes", os.fstat(1).st_blocks * 512)
"""
    said, takes = str(hook(sys.executable, "-c", program)["output"]).rsplit("takes ", 1)
    assert int(takes) <= 1 << 20
    assert "\N{REPLACEMENT CHARACTER}" not in said


def test_one_that_fails_is_an_error_with_its_output_kept(hook: Hook, run: RestoreExecution) -> None:
    with pytest.raises(BackupError, match=r"^The hook before_restore \(sh\) failed with exit code 7\.$") as failed:
        hook("sh", "-c", "echo no; exit 7")
    assert failed.value.hint == "Its output is stored with the run."
    assert (kept(run)["output"], kept(run)["exit_code"]) == ("no\n", 7)


def test_one_that_is_killed_is_an_error(hook: Hook, run: RestoreExecution) -> None:
    with pytest.raises(BackupError, match=r"failed with exit code -9\.$"):
        hook("sh", "-c", "kill -9 $$")


def test_one_that_does_not_exist_is_an_error(hook: Hook) -> None:
    with pytest.raises(
        BackupError, match=r"^The hook /no/such/program cannot be started: No such file or directory\.$"
    ):
        hook("/no/such/program")


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def ends_soon(pid: int) -> bool:
    until = time.monotonic() + 5
    while is_alive(pid) and time.monotonic() < until:
        time.sleep(0.01)
    return not is_alive(pid)


def test_the_timeout_ends_it_and_all_that_it_started(hook: Hook, run: RestoreExecution, tmp_path: Path) -> None:
    children = tmp_path / "children"
    began = time.monotonic()
    with pytest.raises(BackupError, match=r"^The hook before_restore \(sh\) did not end within 1 s\.$"):
        hook("sh", "-c", f"trap '' TERM; sleep 60 & echo $! > {children}; echo waiting; wait", timeout=1)
    assert time.monotonic() - began < 20
    assert kept(run)["output"] == "waiting\n"
    assert ends_soon(int(children.read_text()))


def test_a_service_that_it_leaves_behind_lives_on_and_is_not_waited_for(hook: Hook, tmp_path: Path) -> None:
    pidfile = tmp_path / "pid"
    began = time.monotonic()
    note = hook("sh", "-c", f"sleep 30 & echo $! > {pidfile}; echo started")
    assert time.monotonic() - began < 20
    assert note["output"] == "started\n"
    pid = int(pidfile.read_text())
    assert is_alive(pid)
    os.kill(pid, signal.SIGKILL)


def test_what_it_makes_is_not_hidden_from_others_and_signals_end_it(hook: Hook, tmp_path: Path) -> None:
    before = os.umask(0o077)
    ignored = signal.signal(signal.SIGTERM, lambda *_: None)
    try:
        note = hook("sh", "-c", f"umask; touch {tmp_path}/made; grep SigIgn /proc/self/status")
    finally:
        os.umask(before)
        signal.signal(signal.SIGTERM, ignored)
    mask, ignoring = str(note["output"]).splitlines()
    assert mask == "0022"
    assert not int(ignoring.split()[1], 16) & (1 << (signal.SIGTERM - 1))
    assert (tmp_path / "made").stat().st_mode & 0o777 == 0o644


TOLD_TO_END = """
import os, signal, sys
from backups.lib.os_signals import graceful_termination
import subprocess
with graceful_termination():
    try:
        os.kill(os.getpid(), signal.SIGTERM)
    except SystemExit:
        print(subprocess.run(["grep", "SigIgn", "/proc/self/status"], capture_output=True, text=True).stdout)
"""


def test_a_service_started_while_we_are_told_to_end_can_be_ended_itself() -> None:
    """An ignored signal stays ignored in every program that is started meanwhile."""
    run = subprocess.run([sys.executable, "-c", TOLD_TO_END], capture_output=True, text=True, check=True, cwd=PROJECT)
    assert not int(run.stdout.split()[1], 16) & (1 << (signal.SIGTERM - 1))
