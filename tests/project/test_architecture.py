"""The direction of imports that docs/architecture.md describes, held by the contracts in pyproject.toml."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.support.paths import PROJECT

# a file, an import that has no place in it, and the contract that it breaks
VIOLATIONS = {
    "destinations/models/destination.py": (
        "import backups.errors",
        "backupsite -> backups -> destinations, never back",
    ),
    "backups/worker/tasks.py": ("import backupsite.paths", "backupsite -> backups -> destinations, never back"),
    "destinations/backends/local/destination.py": ("import destinations.secrets", "layers of destinations"),
    "backups/runs/describe.py": ("import backups.worker.tasks", "layers of backups"),
    "backups/runs/recovery/reap.py": ("import backups.service.backup.run", "layers of backups"),
    "backups/components/base.py": ("import backups.instances.parse", "layers of backups"),
    "backups/service/backup/upload.py": ("import backups.service.restore.run", "layers of the use cases"),
    "backups/runs/registry.py": ("import backups.runs.execute", "layers of a run"),
    "backups/admin/restores/start.py": ("import backups.admin.schedules", "pages of one subject"),
    "backups/archive/tar/read.py": ("import backups.archive.encryption", "layers of the archive format"),
    "backups/components/files/component.py": ("import backups.components.sqlite", "layers of the components"),
    "backups/archive/manifest/names.py": ("import django.conf", "are plain Python"),
    "backups/archive/manifest/entry.py": ("import destinations.exceptions", "are plain Python"),
    "backups/service/retention/rules/decide.py": ("import backups.models", "are plain Python"),
    "destinations/lib/operator_error.py": ("import django.conf", "are plain Python"),
    "backups/service/automation/watch.py": (
        "import backups.instances.kinds.tacacs.rules",
        "only the registry of kinds",
    ),
    "backups/runs/claim.py": ("import django_q.tasks", "only worker.q2 imports django_q"),
}


def lint(folder: Path) -> "subprocess.CompletedProcess[str]":
    program = Path(sys.executable).with_name("lint-imports")
    return subprocess.run(
        [program, "--no-cache", "--no-logo"],
        cwd=folder, env={"PATH": os.environ["PATH"], "COLUMNS": "200"}, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_every_contract_is_broken_by_one_of_the_violations() -> None:
    contracts = tomllib.loads((PROJECT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    broken = [contract for _, contract in VIOLATIONS.values()]
    assert [one["name"] for one in contracts if not any(contract in one["name"] for contract in broken)] == []


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


def test_each_import_that_goes_up_is_found(copy: Path) -> None:
    for file, (statement, _) in VIOLATIONS.items():
        (copy / file).write_text(f"{(copy / file).read_text()}\n{statement}\n")
    linted = lint(copy)
    assert linted.returncode == 1
    _, *found = re.split(r"\n(.+)\n-+\n", linted.stdout)
    reports = dict(zip(found[::2], found[1::2], strict=True))
    for file, (statement, contract) in VIOLATIONS.items():
        imported = statement.removeprefix("import ")
        if imported.startswith("django"):
            # imports of other packages are reported without their modules
            imported = imported.partition(".")[0]
        wrong = f"- {file.removesuffix('.py').replace('/', '.')} -> {imported} (l."
        assert [name for name, report in reports.items() if contract in name and wrong in report.replace("  ", "")], (
            file
        )


def test_a_module_without_a_place_is_found(copy: Path) -> None:
    (copy / "backups" / "helpers.py").write_text("import backups.errors\n")
    linted = lint(copy)
    assert linted.returncode == 1
    assert "backups.helpers" in linted.stdout
