"""Files of the site inside a service are reported by the checks and when a destination is added."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from django.core.checks import run_checks
from django.urls import reverse
from pytest_django import Settings

from destinations.models import BackupDestination
from tests.support.call_commands import command
from tests.support.databases.sqlite_files import make_database
from tests.support.file_systems import bound
from tests.support.pages.parsed import page_at
from tests.support.paths import PROJECT
from tests.support.processes.project_programs import environment
from tests.support.rows import a_client, a_destination

pytestmark = pytest.mark.django_db
EVERYTHING = [f"{verb}_backupdestination" for verb in ("view", "add", "change", "delete", "test")]
INSTANCES = """\
[host]
kind = "generic"
root = "{root}"
[host.components.all]
kind = "files"
path = "srv"
[host.components.orders]
kind = "sqlite"
path = "{orders}"
"""


@pytest.fixture
def inside(tmp_path: Path, home: Path, declare: Callable[[str], None], settings: Settings) -> Path:
    """Keep the archives inside the tree of an instance; return their folder."""
    settings.BACKUP_ROOT = tmp_path / "srv" / "backups"
    settings.BACKUP_ROOT.mkdir(mode=0o700, parents=True)
    make_database(tmp_path / "orders.db", rows=3)
    declare(INSTANCES.format(root=tmp_path, orders="orders.db"))
    return settings.BACKUP_ROOT


def found(*ids: str) -> list[tuple[str, str]]:
    messages = run_checks(databases=["default"], include_deployment_checks=False)
    return [(str(message.id), str(message.msg)) for message in messages if message.id in ids]


def test_the_check_says_what_is_left_out_of_a_tree(inside: Path, tmp_path: Path, settings: Settings) -> None:
    settings.BACKUP_WORKSPACE_ROOT = tmp_path / "srv" / "not" / "made" / "yet"
    a_destination("nas")
    assert found("backups.W050", "backups.E050") == [
        ("backups.W050", f"[host] all: {inside} is where this site keeps its archives."),
        ("backups.W050", f"[host] all: {tmp_path}/srv/not/made/yet is where this site keeps its workspaces."),
    ]


def test_the_check_is_quiet_about_places_beside_a_tree(
    tmp_path: Path, home: Path, declare: Callable[[str], None]
) -> None:
    (tmp_path / "srv").mkdir()
    make_database(tmp_path / "orders.db", rows=3)
    declare(INSTANCES.format(root=tmp_path, orders="orders.db"))
    a_destination("nas")
    assert found("backups.W050", "backups.E050") == []


def test_the_check_names_components_that_are_refused(
    inside: Path, tmp_path: Path, declare: Callable[[str], None]
) -> None:
    make_database(inside / "orders.db", rows=3)
    (tmp_path / "srv" / "shop").mkdir()
    declare(
        INSTANCES.format(root=tmp_path, orders="srv/backups/orders.db")
        + f'[shop]\nkind = "generic"\nroot = "{tmp_path}/srv/shop"\n[shop.components.a]\nkind = "files"\npath = "a"\n'
    )
    errors = found("backups.E050")
    assert [message.split(" lies ")[0] for _, message in errors] == [
        f"[host] all: {tmp_path}/srv/shop of instance shop",
        f"[host] orders: {tmp_path}/srv/backups/orders.db",
    ]


def test_a_folder_that_is_mounted_from_the_tree_among_the_archives_is_found_by_the_check(
    tmp_path: Path, home: Path, declare: Callable[[str], None]
) -> None:
    (tmp_path / "srv" / "disk").mkdir(parents=True)
    make_database(tmp_path / "orders.db", rows=3)
    declare(INSTANCES.format(root=tmp_path, orders="orders.db"))
    (home / "backups" / "nas").mkdir()
    with bound(tmp_path / "srv" / "disk", home / "backups" / "nas"):
        assert found("backups.W050") == [
            ("backups.W050", f"[host] all: {tmp_path}/srv/disk is where this site keeps its archives.")
        ]


def test_adding_and_testing_a_destination_inside_a_tree_says_so(inside: Path) -> None:
    warning = (
        f"The folder {inside}/usb lies in component all of instance host: "
        "it is left out of its backups, and its restores leave it."
    )
    assert f"\nWarning: {warning}\n" in command("adddestination", "usb", "--type", "local").out
    assert f"  Warning: {warning}" in command("testdestination", "usb").out
    assert command("testdestination", "usb", "--json").data["warnings"] == [warning]
    assert command("adddestination", "disk", "--type", "local", "--json").data["warnings"] != []


def test_a_destination_around_a_component_is_warned_of(
    inside: Path, tmp_path: Path, declare: Callable[[str], None]
) -> None:
    declare(INSTANCES.format(root=tmp_path, orders="srv/backups/usb/orders.db"))
    (_, warning) = command("adddestination", "usb", "--type", "local", "--json").data["warnings"]
    assert warning.startswith(f"The folder {inside}/usb holds component orders of instance host: ")


def test_a_destination_elsewhere_is_warned_of_in_no_way(home: Path) -> None:
    assert "Warning" not in command("adddestination", "usb", "--type", "local").out
    assert command("testdestination", "usb", "--json").data["warnings"] == []


def test_the_form_of_a_destination_inside_a_tree_warns_whoever_adds_and_edits_it(inside: Path) -> None:
    client = a_client(*EVERYTHING)
    data = {"name": "usb", "enabled": "on", "option_path": "usb"}
    add = reverse("admin:destinations_backupdestination_add") + "?type=local"
    added = page_at(client, add, data)
    assert BackupDestination.objects.filter(name="usb").exists()
    assert f"The folder {inside}/usb lies in component all of instance host" in added.message("warning")
    page = reverse("admin:destinations_backupdestination_change", args=[BackupDestination.objects.get().pk])
    assert f"The folder {inside}/usb lies in component all" in page_at(client, page).notice("warning").text
    assert "warning" in page_at(a_client("view_backupdestination", name="eve"), page).notices()
    assert a_client(name="mallory").get(page).status_code == 403


def test_the_form_of_a_destination_elsewhere_has_no_warning(home: Path) -> None:
    page = reverse("admin:destinations_backupdestination_change", args=[a_destination("nas").pk])
    assert "warning" not in page_at(a_client(*EVERYTHING), page).notices()


def test_the_settings_name_every_file_that_holds_a_key(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    secret = tmp_path / "pass phrase"
    secret.write_text("correct horse battery staple")
    program = "import django; from django.conf import settings; print(*settings.BACKUP_KEY_FILES, sep='\\n')"
    printed = subprocess.run(
        [sys.executable, "-c", program],
        cwd=PROJECT, capture_output=True, text=True, check=True,
        env=environment(home)
        | {"DJANGO_SETTINGS_MODULE": "backupsite.settings", "BACKUP_ENCRYPTION_PASSPHRASE_FILE": str(secret)},
    )  # fmt: skip
    names = printed.stdout.splitlines()
    assert names == [str(home / "secret_key"), str(home / "secrets_key"), str(home / "signing.key"), str(secret)]
