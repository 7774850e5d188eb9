"""The direction of imports that docs/architecture.md describes, held by the contracts in pyproject.toml."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.paths import PROJECT

# a file, an import that has no place in it, and the contract that it breaks
VIOLATIONS = {
    "destinations/models.py": ("import backups.errors", "backupsite -> backups -> destinations"),
    "backups/runs/describe.py": ("import backups.worker.tasks", "admin | management -> worker -> housekeeping"),
    "backups/runs/recovery/reap.py": (
        "import backups.service.backup.run",
        "admin | management -> worker -> housekeeping",
    ),
    "backups/runs/registry.py": ("import backups.runs.execute", "inside runs"),
    "backups/archive/manifest/names.py": ("import django.conf", "are plain Python"),
    "backups/archive/manifest/entry.py": ("import destinations.exceptions", "are plain Python"),
    "backups/service/retention/rules/decide.py": ("import backups.models", "are plain Python"),
    "destinations/lib/operator_error.py": ("import django.conf", "are plain Python"),
    "backups/service/automation/watch.py": (
        "import backups.instances.kinds.tacacs.rules",
        "only the registry of kinds knows",
    ),
    "backups/components/base.py": ("import backups.instances.parse", "admin | management -> worker -> housekeeping"),
    "backups/runs/claim.py": ("import django_q.tasks", "only the doorbell knows django_q"),
}


def lint(folder: Path) -> "subprocess.CompletedProcess[str]":
    program = Path(sys.executable).with_name("lint-imports")
    return subprocess.run(
        [program, "--no-cache", "--no-logo"],
        cwd=folder, env={"PATH": os.environ["PATH"], "COLUMNS": "200"}, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_every_import_goes_down() -> None:
    linted = lint(PROJECT)
    assert linted.returncode == 0, linted.stdout
    assert "0 broken" in linted.stdout


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    for name in ("backups", "backupsite", "destinations"):
        shutil.copytree(PROJECT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(PROJECT / "pyproject.toml", tmp_path)
    return tmp_path


@pytest.mark.parametrize("file", VIOLATIONS)
def test_an_import_that_goes_up_is_found(copy: Path, file: str) -> None:
    statement, contract = VIOLATIONS[file]
    (copy / file).write_text(f"{(copy / file).read_text()}\n{statement}\n")
    linted = lint(copy)
    assert linted.returncode == 1
    broken = [line for line in linted.stdout.splitlines() if "BROKEN" in line]
    assert any(contract in line for line in broken), linted.stdout


def test_a_module_without_a_place_is_found(copy: Path) -> None:
    (copy / "backups" / "helpers.py").write_text("import backups.errors\n")
    linted = lint(copy)
    assert linted.returncode == 1
    assert "backups.helpers" in linted.stdout
