"""Databases that a fresh server has not made yet, and databases that were backed up before and are gone."""

from pathlib import Path

import pytest
from django.core.checks import run_checks

from backups.errors import MissingComponent
from backups.models import BackupExecution
from backups.service.catalogue.import_file import import_archive
from destinations.models import BackupDestination
from tests.support.archives.crafted import SERVER_PLAIN
from tests.support.restores.instance_restores import TACACS_DATABASES, restore, tacacs_state
from tests.support.site_fixtures import BackUp, Declare

pytestmark = pytest.mark.django_db
FIRST_USE = ("audit", "metrics")


def remove(root: Path, *components: str) -> None:
    for component in components:
        (root / TACACS_DATABASES[component]).unlink()


def gone() -> list[str]:
    return [str(found.msg) for found in run_checks(databases=["default"]) if found.id == "backups.W004"]


def test_a_fresh_server_is_backed_up_without_a_warning(tacacs_root: Path, back_up: BackUp) -> None:
    remove(tacacs_root, *FIRST_USE)

    backup = back_up()

    assert backup.warnings == []
    assert {item["component"] for item in backup.manifest_json["absent"]} == set(FIRST_USE)
    assert [found for found in run_checks() if found.id == "backups.W002"] == []
    assert gone() == []


def test_its_backup_is_restored_and_leaves_what_it_does_not_hold(tacacs_root: Path, back_up: BackUp) -> None:
    whole = tacacs_state(tacacs_root)
    audit = tacacs_root / TACACS_DATABASES["audit"]
    aside = audit.rename(tacacs_root / "aside")
    backup = back_up()
    aside.rename(audit)

    restore(backup)

    assert tacacs_state(tacacs_root) == whole


@pytest.mark.parametrize("component", FIRST_USE)
def test_one_that_was_backed_up_before_and_is_gone_fails_the_backup(
    component: str, tacacs_root: Path, back_up: BackUp
) -> None:
    before = back_up()
    remove(tacacs_root, component)

    with pytest.raises(MissingComponent) as failed:
        back_up()

    path = tacacs_root / TACACS_DATABASES[component]
    assert str(failed.value) == f"{path} does not exist. {before.backup_filename} holds it."
    assert gone() == [f"[tacacs-hq] {component}: {path} does not exist, and {before.backup_filename} holds it."]


def test_a_deleted_backup_held_it_too(tacacs_root: Path, back_up: BackUp) -> None:
    before = back_up()
    BackupExecution.objects.update(deleted_at=before.completed_at)
    remove(tacacs_root, "audit")

    with pytest.raises(MissingComponent):
        back_up()


def test_an_imported_archive_of_the_server_held_it_too(
    tacacs_root: Path, back_up: BackUp, destination: BackupDestination
) -> None:
    import_archive(SERVER_PLAIN, destination, by="tests")
    remove(tacacs_root, "audit")

    with pytest.raises(MissingComponent):
        back_up()


def test_a_database_that_the_server_makes_at_its_start_may_not_be_missing(tacacs_root: Path, back_up: BackUp) -> None:
    remove(tacacs_root, "devices")

    with pytest.raises(MissingComponent):
        back_up()


@pytest.mark.parametrize("component", ["audit", "devices"])
def test_an_optional_one_that_is_gone_is_the_warning_of_a_loss(
    component: str, tacacs_root: Path, declare: Declare, back_up: BackUp
) -> None:
    declare(
        f'[tacacs-hq]\nkind = "tacacs"\nroot = "{tacacs_root}"\nconfig = "config/tacacs.conf"\n'
        f'optional = ["{component}"]\n'
    )
    before = back_up()
    remove(tacacs_root, component)

    backup = back_up()

    (loss,) = [text for text in backup.warnings if "is not in this backup" in text]
    assert before.backup_filename in loss
    assert backup.open_drop
