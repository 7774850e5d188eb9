"""Commands whose output is not read to its end, or not taken by the disk."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.paths import PROJECT
from tests.support.processes.held_runs import PATIENCE_SECONDS, rows
from tests.support.sites.command_site import Site, copied
from tests.support.sites.worker_site import eventually


@pytest.fixture
def site(site_template: Site, tmp_path: Path) -> Site:
    return copied(site_template, tmp_path)


def test_a_reader_that_has_read_enough_fails_no_backup(site: Site) -> None:
    shell = f"{sys.executable} manage.py backup tacacs-hq; echo $? > {site.folder}/code"
    backup = subprocess.run(
        ["sh", "-c", f"({shell}) | true"], cwd=PROJECT, env=site.environment(),
        capture_output=True, text=True, check=True, timeout=PATIENCE_SECONDS,
    )  # fmt: skip
    eventually((site.folder / "code").exists)
    eventually(lambda: (site.folder / "code").read_text())
    # what programs end with whose reader is gone; Python's own "Exception ignored" would be 120
    assert (site.folder / "code").read_text() == f"{128 + signal.SIGPIPE}\n"
    assert backup.stderr == ""
    assert [status for (status,) in rows(site, "status", "backup_executions")] == ["completed", "completed"]


def test_an_answer_that_the_disk_does_not_take_is_said_and_the_work_is_done(site: Site) -> None:
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(
            [sys.executable, "manage.py", "backup", "tacacs-hq"], cwd=PROJECT,
            env=site.environment(), stdout=full, stderr=subprocess.PIPE, text=True, check=False,
            timeout=PATIENCE_SECONDS,
        )  # fmt: skip
    assert ended.returncode == os.EX_IOERR
    assert ended.stderr.startswith("Error: The answer could not be written: No space left on device.")
    assert ended.stderr.count("\n") == 1
    assert rows(site, "status", "backup_executions")[0] == ("completed",)
