"""A site of an earlier state is brought to this one by `migrate`, which asks the system checks before it begins."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.backups.sites import ROOT


@pytest.fixture
def manage(tmp_path: Path) -> Callable[..., "subprocess.CompletedProcess[str]"]:
    """Return a function that runs a command of a site in a folder of its own."""
    (tmp_path / "home").mkdir(mode=0o700)
    (tmp_path / "home" / "instances.toml").write_text("")
    env = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    env |= {"BACKUPSITE_HOME": str(tmp_path / "home"), "PYTHONWARNINGS": "ignore"}

    def run(*args: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "manage.py", *args], cwd=ROOT, env=env, capture_output=True, text=True, check=False
        )

    return run


def test_a_site_with_the_tables_of_its_first_state_is_checked_and_migrated(
    manage: Callable[..., "subprocess.CompletedProcess[str]"],
) -> None:
    for args in ((), ("backups", "0001"), ("destinations", "0001")):
        done = manage("migrate", "-v0", *args)
        assert done.returncode == 0, done.stderr
    for args in (("check", "--database", "default"), ("migrate", "-v0"), ("check", "--database", "default")):
        done = manage(*args)
        assert done.returncode == 0, done.stderr
        assert "Traceback" not in done.stderr
    assert "[ ]" not in manage("showmigrations").stdout
