"""The buttons Pin and Unpin, and the form for the reason."""

import pytest
from django.utils import timezone

from backups.models import BackupExecution
from tests.support.pages.admin_pages import url
from tests.support.pages.parsed import page_at
from tests.support.rows import VIEW, a_client, an_execution

pytestmark = pytest.mark.django_db


def test_a_backup_is_pinned_with_a_reason_and_its_page_says_so() -> None:
    execution, client = an_execution(), a_client(VIEW, "pin_backup")
    assert page_at(client, url(execution)).actions() == {"pin"}
    asked = page_at(client, url(execution, "pin")).facts("backup_filename", "destination")
    assert asked == {"backup_filename": execution.backup_filename, "destination": "nas"}
    page = page_at(client, url(execution, "pin"), {"reason": "audit <2026>"})
    assert page.messages() == ["success"]
    assert page.field("pin_reason").text == "audit <2026>"
    assert "audit <2026>" not in page.html
    assert page.actions() == {"unpin"}
    assert BackupExecution.objects.get().pin_reason == "audit <2026>"


def test_a_pin_without_a_reason_shows_the_form_again() -> None:
    execution, client = an_execution(), a_client(VIEW, "pin_backup")
    page = page_at(client, url(execution, "pin"), {"reason": " "}, status=400)
    assert list(page.faults()) == ["reason"]
    assert not BackupExecution.objects.get().pinned


def test_looking_at_the_form_pins_nothing() -> None:
    execution = an_execution()
    page_at(a_client(VIEW, "pin_backup"), url(execution, "pin"))
    assert not BackupExecution.objects.get().pinned


def test_a_pin_is_taken_away_by_a_button() -> None:
    execution, client = an_execution(pinned=True, pin_reason="audit"), a_client(VIEW, "pin_backup", "delete_backup")
    assert page_at(client, url(execution)).actions() == {"unpin"}
    page = page_at(client, url(execution, "unpin"), {})
    assert page.messages() == ["success"]
    assert not page.has_field("pinned")
    assert page.actions() == {"pin", "delete_archive"}
    assert not BackupExecution.objects.get().pinned


def test_the_buttons_are_for_those_who_may_pin() -> None:
    page = page_at(a_client(VIEW, "run_backup", "delete_backup"), url(an_execution()))
    assert not {"pin", "unpin"} & page.actions()


def test_a_backup_without_an_archive_cannot_be_pinned() -> None:
    execution, client = an_execution(deleted_at=timezone.now()), a_client(VIEW, "pin_backup")
    assert page_at(client, url(execution)).actions() == set()
    assert "has no archive to keep" in page_at(client, url(execution, "pin"), {"reason": "too late"}).message("error")
    assert not BackupExecution.objects.get().pinned
