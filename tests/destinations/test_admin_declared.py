"""A destination that a configuration declares is shown, and changed there only."""

from collections.abc import Callable
from pathlib import Path

import pytest
from django.test import Client
from django.urls import reverse

from destinations.models import BackupDestination

pytestmark = pytest.mark.django_db
EVERYTHING = [f"{verb}_backupdestination" for verb in ("view", "add", "change", "delete", "test")]
WHY = "This destination is declared in the configuration of tacacs-hq; edit it there."


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
    html = staff(*permissions).get(page(declared)).content.decode()
    assert WHY in html
    assert 'name="_save"' not in html
    assert page(declared, "delete") not in html


def test_nobody_changes_or_deletes_it_here(declared: BackupDestination, staff: Callable[..., Client]) -> None:
    client = staff(*EVERYTHING)
    assert client.post(page(declared), {"name": "other"}).status_code == 403
    assert client.post(page(declared, "delete"), {"post": "yes"}).status_code == 403
    assert BackupDestination.objects.get().name == "nas"


def test_its_connection_can_be_tested(declared: BackupDestination, staff: Callable[..., Client]) -> None:
    response = staff(*EVERYTHING).post(page(declared, "test"), follow=True)
    assert "The connection works" in response.content.decode()


def test_one_made_by_hand_has_no_such_note(declared: BackupDestination, staff: Callable[..., Client]) -> None:
    BackupDestination.objects.update(managed_by="")
    html = staff(*EVERYTHING).get(page(declared)).content.decode()
    assert "is declared in" not in html
    assert 'name="_save"' in html
