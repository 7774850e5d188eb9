"""What a process of the project does before its own work begins."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.checks import registry
from django.utils.module_loading import import_string

from backups import checks
from destinations.lib.later import Later
from tests.support.paths import PROJECT
from tests.support.processes.project_programs import environment

COLLECTED = "import gc; print(gc.isenabled(), gc.get_freeze_count() > 50_000)"
# what a command that only reads rows does without; each module would cost every command, and every run
USE_CASES = (
    "backups.checks.keys",
    "backups.components",
    "backups.instances.kinds",
    "backups.notifications",
    "backups.service.automation",
    "backups.service.backup",
    "backups.service.drill",
    "backups.service.keys",
    "backups.service.monitoring",
    "backups.service.restore",
    "backups.worker",
    "destinations.backends.local",
    "destinations.backends.s3",
)
PAGES = ("backups.admin", "backups.templatetags", "backupsite.site", "destinations.admin")
REGISTRIES = ("backups/apps.py", "backups/notifications/channels/__init__.py", "destinations/backends/__init__.py")
DOTTED = re.compile(r'"((?:backups|destinations)(?:\.\w+){2,})"')
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
def test_a_command_imports_no_pages_no_sdk_and_no_use_case_but_its_own(tmp_path: Path) -> None:
    done = python(tmp_path, "-X", "importtime", "manage.py", "listbackups", "--json")
    imported = [line.rpartition("|")[2].strip() for line in done.stderr.splitlines()]
    assert "backups.models.backup" in imported
    assert [name for name in imported for package in (*PAGES, *SDKS, *USE_CASES) if within(name, package)] == []


def test_every_path_of_a_registry_is_that_of_what_it_names() -> None:
    # mypy does not look into them
    named = {path for file in REGISTRIES for path in DOTTED.findall((PROJECT / file).read_text())}
    assert len(named) > 25
    assert all(import_string(path) for path in named)


def test_every_check_is_registered_once() -> None:
    groups = (checks.CHECKS, checks.CHECKS_OF_ROWS, checks.CHECKS_OF_QUEUE, checks.CHECKS_OF_DEPLOYMENT)
    listed = [path for group in groups for path in group]
    files = (PROJECT / "backups" / "checks").rglob("*.py")
    written = [
        ".".join((*file.relative_to(PROJECT / "backups" / "checks").with_suffix("").parts, name))
        for file in files
        for name in re.findall(r"^def (check_\w+)", file.read_text(), flags=re.MULTILINE)
    ]
    assert sorted(listed) == sorted(written)
    registered = {
        check.path for check in registry.registry.get_checks(include_deployment_checks=True) if isinstance(check, Later)
    }
    assert registered == {f"backups.checks.{path}" for path in listed}
    assert all(callable(import_string(path)) for path in registered)
