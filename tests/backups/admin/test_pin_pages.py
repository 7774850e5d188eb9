"""The buttons Pin and Unpin, and the page that asks for the reason."""

import pytest
from django.utils import timezone

from backups.models import BackupExecution
from tests.backups.admin.pages import buttons, raw, text, url
from tests.backups.factories import VIEW, a_client, an_execution

pytestmark = pytest.mark.django_db


def test_a_backup_is_pinned_with_a_reason_and_its_page_says_so() -> None:
    execution, client = an_execution(), a_client(VIEW, "pin_backup")
    assert "Pin…" in buttons(raw(client, url(execution)))
    assert "stays at nas until the pin is taken away" in text(client, url(execution, "pin"))
    page = raw(client, url(execution, "pin"), {"reason": "audit <2026>"})
    assert "is pinned: it is never deleted." in page
    assert "audit &lt;2026&gt;" in page and "audit <2026>" not in page
    assert buttons(page) == {"Unpin"}
    assert BackupExecution.objects.get().pin_reason == "audit <2026>"


def test_a_pin_without_a_reason_shows_the_form_again() -> None:
    execution, client = an_execution(), a_client(VIEW, "pin_backup")
    response = client.post(url(execution, "pin"), {"reason": " "})
    assert response.status_code == 400
    assert "This field is required." in response.content.decode()
    assert not BackupExecution.objects.get().pinned


def test_looking_at_the_form_pins_nothing() -> None:
    execution = an_execution()
    text(a_client(VIEW, "pin_backup"), url(execution, "pin"))
    assert not BackupExecution.objects.get().pinned


def test_a_pin_is_taken_away_by_a_button() -> None:
    execution, client = an_execution(pinned=True, pin_reason="audit"), a_client(VIEW, "pin_backup", "delete_backup")
    assert buttons(raw(client, url(execution))) == {"Unpin"}
    page = raw(client, url(execution, "unpin"), {})
    assert "is no longer pinned" in page
    assert buttons(page) == {"Pin…", "Delete archive…"}


def test_the_buttons_are_for_those_who_may_pin() -> None:
    page = raw(a_client(VIEW, "run_backup", "delete_backup"), url(an_execution()))
    assert not {"Pin…", "Unpin"} & buttons(page)


def test_a_backup_without_an_archive_cannot_be_pinned() -> None:
    execution, client = an_execution(deleted_at=timezone.now()), a_client(VIEW, "pin_backup")
    assert "Pin…" not in buttons(raw(client, url(execution)))
    assert "has no archive to keep." in text(client, url(execution, "pin"), {"reason": "too late"})
