"""What a process of the project does before its own work begins."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.paths import PROJECT
from tests.support.processes.project_programs import environment

COLLECTED = "import gc; print(gc.isenabled(), gc.get_freeze_count() > 50_000)"


@pytest.mark.parametrize("program", [["manage.py"], ["-m", "backups.management"]], ids=["manage.py", "child"])
def test_garbage_is_collected_from_what_a_command_makes_and_not_from_what_its_imports_made(
    tmp_path: Path, program: list[str]
) -> None:
    done = subprocess.run(
        [sys.executable, *program, "shell", "--no-imports", "-c", COLLECTED],
        cwd=PROJECT, env=environment(tmp_path, DJANGO_SETTINGS_MODULE="backupsite.settings"),
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    assert done.stdout.split() == ["True", "True"]
