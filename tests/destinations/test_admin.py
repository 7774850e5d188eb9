"""The pages of destinations: what each user may see and do."""

import logging
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from backups.models import BackupExecution
from destinations.models import BackupDestination
from tests.destinations.conftest import files_below

pytestmark = pytest.mark.django_db

Staff = Callable[..., Client]
LIST = "/admin/destinations/backupdestination/"
ADD = f"{LIST}add/"
EVERYTHING = [f"{verb}_backupdestination" for verb in ("view", "add", "change", "delete", "test")]


@pytest.fixture
def nas(backup_root: Path) -> BackupDestination:
    return BackupDestination.objects.create(name="nas", type="local", config_json={"path": "nas"}, created_by="alice")


def page(destination: BackupDestination, verb: str) -> str:
    return reverse(f"admin:destinations_backupdestination_{verb}", args=[destination.pk])


def text(client: Client, url: str, data: dict[str, object] | None = None) -> str:
    """Return the page behind `url`, after redirects, or fail."""
    response = client.get(url) if data is None else client.post(url, data, follow=True)
    assert response.status_code == 200
    html: str = response.content.decode()
    assert "<style" not in html and not re.search(r"\son\w+=|style=", html)
    return html


def test_the_list_is_shown_to_those_who_may_view_and_refused_to_others(nas: BackupDestination, staff: Staff) -> None:
    assert "nas" in text(staff("view_backupdestination"), LIST)
    assert staff("test_backupdestination").get(LIST).status_code == 403


def test_the_list_shows_state_type_and_age_of_the_last_backup(nas: BackupDestination, staff: Staff) -> None:
    client = staff("view_backupdestination")
    assert ">never<" in text(client, LIST)
    nas.record_backup("failed", timezone.now() - timedelta(hours=3, minutes=5), stored=False)
    html = text(client, LIST)
    assert "3\xa0hours ago" in html
    for badge in ("failed", "enabled", "Local folder"):
        assert re.search(rf'class="bs-badge[^>]*>{badge}<', html)
    assert len(re.findall(r'<th scope="col" class="[^"]*column-', html)) == 6


def test_the_list_makes_as_many_queries_for_fifty_rows_as_for_five(backup_root: Path, staff: Staff) -> None:
    client = staff(*EVERYTHING)

    def queries(rows: range) -> int:
        for number in rows:
            BackupDestination.objects.create(
                name=f"d{number}", type="local", config_json={"path": f"d{number}"}, last_backup_at=timezone.now()
            )
        with CaptureQueriesContext(
            connection,
        ) as captured:
            assert f"d{rows[-1]}" in text(client, LIST)
        return len(captured)

    assert queries(range(5)) == queries(range(5, 50))


@pytest.mark.parametrize("query", ["q=na", "enabled__exact=1", "type__exact=local", "last_backup_status__exact="])
def test_the_list_is_searched_and_filtered(nas: BackupDestination, staff: Staff, query: str) -> None:
    BackupDestination.objects.create(
        name="usb", type="vault", enabled=False, last_backup_status="failed", config_json={"path": "usb"}
    )
    html = text(staff("view_backupdestination"), f"{LIST}?{query}")
    assert ">nas<" in html and ">usb<" not in html


def test_a_destination_is_added_by_its_form_and_says_who_did_it(
    backup_root: Path, staff: Staff, caplog: pytest.LogCaptureFixture
) -> None:
    client = staff("add_backupdestination", "view_backupdestination")
    assert 'name="option_path"' in text(client, ADD)
    with caplog.at_level(logging.INFO, "destinations"):
        text(client, ADD, {"name": "usb", "enabled": "on", "retention_days": "30", "option_path": ""})
    row = BackupDestination.objects.get()
    assert (row.name, row.type, row.enabled, row.retention_days) == ("usb", "local", True, 30)
    assert (row.config_json, row.created_by) == ({"path": "usb"}, "staff0")
    assert "destination created name=usb user=staff0" in caplog.text
    assert LogEntry.objects.get().object_repr == "usb"


def test_adding_is_refused_without_the_permission(backup_root: Path, staff: Staff) -> None:
    client = staff("view_backupdestination", "change_backupdestination")
    assert client.get(ADD).status_code == 403
    assert client.post(ADD, {"name": "usb", "option_path": "usb"}).status_code == 403
    assert not BackupDestination.objects.exists()


@pytest.mark.parametrize("path", ["../outside", "/etc", "a b", "nas"])
def test_a_folder_that_cannot_be_used_is_an_error_of_the_form(nas: BackupDestination, staff: Staff, path: str) -> None:
    html = text(staff(*EVERYTHING), ADD, {"name": "usb", "enabled": "on", "option_path": path})
    assert re.search("outside BACKUP_ROOT|cannot be used|already stores at", html)
    assert BackupDestination.objects.count() == 1


@pytest.mark.usefixtures("vault_type")
def test_the_type_is_asked_first_where_there_are_several(backup_root: Path, staff: Staff) -> None:
    client = staff(*EVERYTHING)
    html = text(client, ADD)
    assert 'value="local"' in html and 'value="vault"' in html and "option_path" not in html
    assert 'name="option_password"' in text(client, f"{ADD}?type=vault")
    assert 'name="option_password"' not in text(client, f"{ADD}?type=local")
    assert 'value="vault"' in text(client, f"{ADD}?type=floppy")
    assert staff("view_backupdestination").get(ADD).status_code == 403


def test_a_destination_is_changed_by_those_who_may_and_its_type_never(nas: BackupDestination, staff: Staff) -> None:
    data = {"name": "nas2", "type": "vault", "retention_days": "", "option_path": "nas2"}
    assert staff("view_backupdestination").post(page(nas, "change"), data).status_code == 403
    nas.refresh_from_db()
    assert nas.name == "nas"
    text(staff(*EVERYTHING), page(nas, "change"), data)
    nas.refresh_from_db()
    assert (nas.name, nas.type, nas.enabled, nas.config_json) == ("nas2", "local", False, {"path": "nas2"})
    assert nas.created_by == "alice"


def test_a_viewer_sees_the_location_and_nothing_to_change(
    nas: BackupDestination, staff: Staff, backup_root: Path
) -> None:
    html = text(staff("view_backupdestination"), page(nas, "change"))
    assert str(backup_root / "nas") in html
    assert 'name="_save"' not in html and "option_path" not in html and "Test connection" not in html


def test_a_row_of_an_unknown_type_can_still_be_seen_and_disabled(nas: BackupDestination, staff: Staff) -> None:
    BackupDestination.objects.update(type="floppy")
    client = staff(*EVERYTHING)
    assert "There is no destination type" in text(client, page(nas, "change"))
    text(client, page(nas, "change"), {"name": "nas", "retention_days": ""})
    nas.refresh_from_db()
    assert (nas.enabled, nas.type) == (False, "floppy")
    text(client, page(nas, "test"), {})


def test_the_connection_is_tested_by_a_button(
    nas: BackupDestination, staff: Staff, backup_root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    client = staff("view_backupdestination", "test_backupdestination")
    assert f'action="{page(nas, "test")}"' in text(client, page(nas, "change"))
    with caplog.at_level(logging.INFO, "destinations"):
        html = text(client, page(nas, "test"), {})
    assert "The connection works (write: 65536 bytes at" in html
    assert LogEntry.objects.get().get_change_message() == "Tested the connection: it works."
    assert "destination tested name=nas user=staff0 result=works" in caplog.text
    assert files_below(backup_root) == []


def test_a_failing_test_says_what_and_what_to_do(
    nas: BackupDestination, staff: Staff, backup_root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (backup_root / "nas").symlink_to("/tmp")
    html = text(staff(*EVERYTHING), page(nas, "test"), {})
    assert "The test failed. Cannot open the folder" in html
    assert "symbolic link" in html and "use real folders" in html
    assert "failed. Cannot open the folder" in LogEntry.objects.get().get_change_message()
    assert "destination tested name=nas user=staff0 result=failed" in caplog.text


@pytest.mark.parametrize("codename", ["view", "change", "add", "delete"])
def test_the_test_is_refused_and_its_button_hidden_without_its_own_permission(
    nas: BackupDestination, staff: Staff, backup_root: Path, codename: str
) -> None:
    client = staff(*{"view_backupdestination", f"{codename}_backupdestination"})
    assert "Test connection" not in text(client, page(nas, "change"))
    assert client.post(page(nas, "test")).status_code == 403
    assert staff("test_backupdestination").post(page(nas, "test")).status_code == 403
    assert not LogEntry.objects.exists()
    assert list(backup_root.iterdir()) == []


def test_the_test_changes_nothing_by_a_link_or_without_a_token(nas: BackupDestination, staff: Staff) -> None:
    client = staff(*EVERYTHING)
    response = client.get(page(nas, "test"))
    assert (response.status_code, response["Allow"]) == (405, "POST")
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = client.cookies
    assert strict.post(page(nas, "test")).status_code == 403
    assert Client().post(page(nas, "test")).status_code == 302
    assert not LogEntry.objects.exists()


def test_the_test_of_a_destination_that_is_gone_says_so(nas: BackupDestination, staff: Staff) -> None:
    url = page(nas, "test")
    nas.delete()
    assert "does not exist any more" in text(staff(*EVERYTHING), url, {})


def test_an_unused_destination_is_deleted_by_those_who_may_and_its_files_stay(
    nas: BackupDestination, staff: Staff, backup_root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (backup_root / "nas").mkdir()
    (backup_root / "nas/foreign.tar").write_bytes(b"x")
    assert staff("view_backupdestination").post(page(nas, "delete"), {"post": "yes"}).status_code == 403
    client = staff(*EVERYTHING)
    assert "files stored there stay where they are" in text(client, page(nas, "delete"))
    with caplog.at_level(logging.INFO, "destinations"):
        text(client, page(nas, "delete"), {"post": "yes"})
    assert not BackupDestination.objects.exists()
    assert files_below(backup_root) == ["nas/foreign.tar"]
    assert "destination deleted name=nas user=staff1" in caplog.text


def test_a_destination_with_backups_is_not_deleted_and_the_page_says_what_to_do(
    nas: BackupDestination, staff: Staff
) -> None:
    for instance in ("hq", "branch"):
        BackupExecution.objects.create(instance=instance, destination=nas)
    client = staff(*EVERYTHING)
    for data in (None, {"post": "yes"}):
        send = client.get if data is None else client.post
        response = send(page(nas, "delete"), data, follow=True)
        html = response.content.decode()
        assert "cannot be deleted: it is used by 2 backups. Disable it instead" in html
        assert response.redirect_chain == [(page(nas, "change"), 302)]
    assert BackupDestination.objects.exists()
    assert staff("view_backupdestination").get(page(nas, "delete")).status_code == 403


def test_no_action_of_the_list_deletes_many_at_once(nas: BackupDestination, staff: Staff) -> None:
    client = staff(*EVERYTHING)
    client.post(LIST, {"action": "delete_selected", "_selected_action": [nas.pk], "post": "yes"})
    assert BackupDestination.objects.exists()
