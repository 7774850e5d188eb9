"""What a process of the project does before its own work begins."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.paths import PROJECT
from tests.support.processes.project_programs import environment

COLLECTED = "import gc; print(gc.isenabled(), gc.get_freeze_count() > 50_000)"
PAGES = ("backups.admin", "backups.templatetags", "backupsite.site", "destinations.admin")
SDKS = ("azure", "boto3", "botocore", "dropbox", "google.cloud", "paramiko", "redis", "requests", "storages")


def python(home: Path, *argv: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, *argv],
        cwd=PROJECT, env=environment(home, DJANGO_SETTINGS_MODULE="backupsite.settings"),
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip


@pytest.mark.parametrize("program", [["manage.py"], ["-m", "backups.management"]], ids=["manage.py", "child"])
def test_garbage_is_collected_from_what_a_command_makes_and_not_from_what_its_imports_made(
    tmp_path: Path, program: list[str]
) -> None:
    done = python(tmp_path, *program, "shell", "--no-imports", "-c", COLLECTED)
    assert done.stdout.split() == ["True", "True"]


def within(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")


@pytest.mark.django_db(transaction=True)
def test_a_command_imports_no_pages_and_no_sdk(tmp_path: Path) -> None:
    done = python(tmp_path, "-X", "importtime", "manage.py", "listschedules", "--json")
    imported = [line.rpartition("|")[2].strip() for line in done.stderr.splitlines()]
    assert "backups.models.schedule" in imported
    assert [name for name in imported for package in (*PAGES, *SDKS) if within(name, package)] == []
