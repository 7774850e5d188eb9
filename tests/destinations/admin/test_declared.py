"""A destination that a configuration declares is shown, and changed there only."""

from collections.abc import Callable
from pathlib import Path

import pytest
from django.test import Client
from django.urls import reverse

from destinations.models import BackupDestination
from tests.support.pages.parsed import page_at

pytestmark = pytest.mark.django_db
EVERYTHING = [f"{verb}_backupdestination" for verb in ("view", "add", "change", "delete", "test")]


@pytest.fixture
def declared(backup_root: Path) -> BackupDestination:
    managed = {"managed_by": "configuration of tacacs-hq"}
    return BackupDestination.objects.create(name="nas", type="local", config_json={"path": "nas"}, **managed)


def page(destination: BackupDestination, verb: str = "change") -> str:
    return reverse(f"admin:destinations_backupdestination_{verb}", args=[destination.pk])


@pytest.mark.parametrize("permissions", [["view_backupdestination"], ["change_backupdestination"], EVERYTHING])
def test_it_is_shown_read_only_with_the_reason(
    permissions: list[str], declared: BackupDestination, staff: Callable[..., Client]
) -> None:
    shown = page_at(staff(*permissions), page(declared))
    assert shown.notice("declared")["data-about"] == "configuration of tacacs-hq"
    assert shown.inputs("_save") == []
    assert page(declared, "delete") not in shown.links()


def test_nobody_changes_or_deletes_it_here(declared: BackupDestination, staff: Callable[..., Client]) -> None:
    client = staff(*EVERYTHING)
    assert client.post(page(declared), {"name": "other"}).status_code == 403
    assert client.post(page(declared, "delete"), {"post": "yes"}).status_code == 403
    assert BackupDestination.objects.get().name == "nas"


def test_its_connection_can_be_tested(declared: BackupDestination, staff: Callable[..., Client]) -> None:
    assert page_at(staff(*EVERYTHING), page(declared, "test"), {}).messages() == ["success"]


def test_one_made_by_hand_has_no_such_note(declared: BackupDestination, staff: Callable[..., Client]) -> None:
    BackupDestination.objects.update(managed_by="")
    shown = page_at(staff(*EVERYTHING), page(declared))
    assert "declared" not in shown.notices()
    assert len(shown.inputs("_save")) == 1
