"""Programs that tests fork from a prepared process do, print and end as those that Python starts."""

import os
import signal
import subprocess
import sys
from typing import Any

import pytest

from tests.support.paths import PROJECT
from tests.support.processes.prepared import Prepared
from tests.support.processes.process_table import environment_of
from tests.support.sites.command_site import Site

SHOWS = """
import os, signal, sys, warnings
SHOWN = True
print(sys.argv, sys.path, sys.flags, __name__, sys.modules["__main__"].__dict__["SHOWN"], file=sys.stderr)
print(input(), os.getcwd(), oct(os.umask(0)), sorted(os.environ.items()), warnings.filters)
print([(stream.encoding, stream.errors, stream.line_buffering) for stream in (sys.stdin, sys.stdout, sys.stderr)])
print([signal.getsignal(number) for number in sorted(signal.valid_signals())], signal.pthread_sigmask(0, ()))
print(os.getsid(0) == os.getpid(), sorted(os.listdir("/proc/self/fd")))
"""
PROGRAMS = {
    "what it is": ["-c", SHOWS, "a", "\udcff"],
    "an error": ["-c", "def fail():\n    1 / 0\nfail()"],
    "a text as exit code": ["-c", "import sys; sys.exit('What it ends with.')"],
    "killed": ["-c", "import os; print('lost'); os.kill(os.getpid(), 9)"],
    "terminated": ["-c", "import os, signal; os.kill(os.getpid(), signal.SIGTERM)"],
    "a module": ["-m", "calendar", "2026", "11"],
    "a command that refuses": ["manage.py", "showbackup", "nonsense", "--json"],
    "a command": ["manage.py", "check"],
}


def ended(popen: Any, argv: list[str], site: Site, **options: Any) -> tuple[object, ...]:
    process = popen(
        [sys.executable, *argv], cwd=PROJECT, env=site.environment(), text=True, errors="surrogateescape",
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options,
    )  # fmt: skip
    out, err = process.communicate("a line\n", timeout=60)
    return process.returncode, out, err


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_prepared_program_ends_like_one_that_was_started(program: str, site_template: Site) -> None:
    options = {"start_new_session": True} if program == "what it is" else {}
    first = ended(subprocess.Popen, PROGRAMS[program], site_template, **options)
    assert ended(Prepared, PROGRAMS[program], site_template, **options) == first
    assert first[1] or first[2] or first[0] in (-9, -15)


def test_its_environment_is_seen_in_proc_and_it_can_be_killed_and_waited_for(site_template: Site) -> None:
    with Prepared(
        [sys.executable, "-c", "input()"], cwd=PROJECT, env=site_template.environment(), stdin=subprocess.PIPE
    ) as process:
        assert f"BACKUPSITE_HOME={site_template.home}".encode() in environment_of(process.pid)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.01)
        assert process.poll() is None
        process.kill()
        assert process.wait(10) == process.poll() == -signal.SIGKILL


@pytest.mark.parametrize(
    ("argv", "variables"),
    [
        (["-X", "utf8=1"], {}),
        (["-W", "error"], {}),
        ([], {"PYTHONPATH": "/nowhere"}),
        ([], {"PYTHONIOENCODING": "ascii"}),
        ([], {"LC_ALL": "POSIX"}),
    ],
)
def test_what_changes_python_itself_is_started_as_ever(argv: list[str], variables: dict[str, str]) -> None:
    program = [sys.executable, *argv, "-c", "import sys; print('backups.errors' in sys.modules)"]
    with Prepared(program, env=dict(os.environ) | variables, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.read() == "False\n"
