"""Copying a backup from its page: the form, the run that it queues, and the page of that run."""

from typing import Any

import pytest
from django.utils import timezone

from backups.models import BackupExecution, CopyExecution
from tests.support.pages.admin_pages import url
from tests.support.pages.parsed import page_at
from tests.support.rows import VIEW, a_client, a_copy, a_destination, an_execution

pytestmark = pytest.mark.django_db
COPIES = "/admin/backups/copyexecution/"


@pytest.fixture
def backup() -> BackupExecution:
    return an_execution()


def test_the_form_offers_the_destinations_without_a_sound_copy(backup: BackupExecution) -> None:
    a_destination("off", enabled=False)
    a_copy(backup, a_destination("vault"), damaged_at=timezone.now())
    a_destination("cellar")
    page = page_at(a_client(VIEW, "run_backup"), url(backup, "copy"))
    assert set(page.options("to")) == {"---------", "vault", "cellar"}
    assert page.chosen("to") == ["vault"]


def test_a_copy_is_queued_and_its_page_is_shown(
    backup: BackupExecution, django_capture_on_commit_callbacks: Any
) -> None:
    vault = a_destination("vault")
    client = a_client(VIEW, "run_backup")
    with django_capture_on_commit_callbacks(execute=True):
        response = client.post(url(backup, "copy"), {"to": vault.pk})
    run = CopyExecution.objects.get()
    assert (run.copy.destination, run.triggered_by) == (vault, "bob")
    page = page_at(client, response["Location"])
    assert page.title == "Copy of shop to vault"
    assert page.field("destination").text == "vault"
    assert "cancel" in page.actions()
    again = page_at(client, url(backup, "copy"), {"to": vault.pk})
    assert again.messages() == ["warning"]
    assert page_at(client, COPIES).listed_runs() == [run.pk]
    client.post(f"{COPIES}{run.pk}/cancel/")
    run.refresh_from_db()
    assert run.status == "cancelled"
    assert backup.copies.get(destination=vault).state == "failed"


def test_copying_needs_the_permission_to_back_up(backup: BackupExecution) -> None:
    a_destination("vault")
    client = a_client(VIEW)
    assert "copy" not in page_at(client, url(backup)).actions()
    assert client.post(url(backup, "copy"), {"to": a_destination("vault").pk}).status_code == 403
    assert client.get(COPIES).status_code == 200
    assert a_client(name="carol").get(COPIES).status_code == 403
    assert not CopyExecution.objects.exists()


def test_a_refusal_is_an_error_of_the_form(backup: BackupExecution) -> None:
    vault = a_destination("vault", encryption="required")
    response = a_client(VIEW, "run_backup").post(url(backup, "copy"), {"to": vault.pk})
    assert response.status_code == 400
    assert "takes encrypted archives only" in response.content.decode()
