"""The button that tests the connection of a destination."""

import logging
from collections.abc import Callable
from pathlib import Path

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client

from destinations.models import BackupDestination
from tests.destinations.conftest import files_below
from tests.support.pages.destination_pages import page, shown

pytestmark = pytest.mark.django_db
Staff = Callable[..., Client]
EVERYTHING = [f"{verb}_backupdestination" for verb in ("view", "add", "change", "delete", "test")]


def test_the_connection_is_tested_by_a_button(
    nas: BackupDestination, staff: Staff, backup_root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    client = staff("view_backupdestination", "test_backupdestination")
    form = shown(client, page(nas, "change")).one("form", action=page(nas, "test"))
    assert (form["method"], form.actions()) == ("post", {"test"})
    with caplog.at_level(logging.INFO, "destinations"):
        found = shown(client, page(nas, "test"), {})
    assert "works" in found.message("success")
    assert nas.tests.get().steps[0]["detail"].startswith("65536 bytes at")
    assert LogEntry.objects.get().get_change_message() == "Tested the connection: it works."
    assert "destination tested name=nas user=staff0 result=works" in caplog.text
    assert files_below(backup_root) == []


def test_a_failing_test_says_what_and_what_to_do(
    nas: BackupDestination, staff: Staff, backup_root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (backup_root / "nas").symlink_to("/tmp")
    said = shown(staff(*EVERYTHING), page(nas, "test"), {}).message("error")
    assert all(words in said for words in ("Cannot open the folder", "symbolic link", "use real folders"))
    assert "failed. Cannot open the folder" in LogEntry.objects.get().get_change_message()
    assert "destination tested name=nas user=staff0 result=failed" in caplog.text


@pytest.mark.parametrize("codename", ["view", "change", "add", "delete"])
def test_the_test_is_refused_and_its_button_hidden_without_its_own_permission(
    nas: BackupDestination, staff: Staff, backup_root: Path, codename: str
) -> None:
    client = staff(*{"view_backupdestination", f"{codename}_backupdestination"})
    assert "test" not in shown(client, page(nas, "change")).actions()
    assert client.post(page(nas, "test")).status_code == 403
    assert staff("test_backupdestination").post(page(nas, "test")).status_code == 403
    assert not LogEntry.objects.exists()
    assert list(backup_root.iterdir()) == []


def test_the_test_changes_nothing_by_a_link_or_without_a_token(nas: BackupDestination, staff: Staff) -> None:
    client = staff(*EVERYTHING)
    assert shown(client, page(nas, "test")).messages() == ["warning"]
    assert client.put(page(nas, "test")).status_code == 405
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = client.cookies
    assert strict.post(page(nas, "test")).status_code == 403
    assert Client().post(page(nas, "test")).status_code == 302
    assert not LogEntry.objects.exists()


def test_the_test_of_a_destination_that_is_gone_says_so(nas: BackupDestination, staff: Staff) -> None:
    url = page(nas, "test")
    nas.delete()
    assert "does not exist any more" in shown(staff(*EVERYTHING), url, {}).message("warning")
