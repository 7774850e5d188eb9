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
from django.utils import timezone

from backups.models import BackupExecution
from destinations.backends import TYPES
from destinations.models import BackupDestination
from tests.destinations.conftest import files_below
from tests.support.pages.destination_pages import page, shown
from tests.support.pages.parsed import Page

pytestmark = pytest.mark.django_db
Staff = Callable[..., Client]
LIST = "/admin/destinations/backupdestination/"
CHOOSE = f"{LIST}add/"
ADD = f"{CHOOSE}?type=local"
EVERYTHING = [f"{verb}_backupdestination" for verb in ("view", "add", "change", "delete", "test")]


def names(found: Page) -> list[str]:
    return [row.one(class_="field-name").text for row in found.listed()]


def test_the_list_is_shown_to_those_who_may_view_and_refused_to_others(nas: BackupDestination, staff: Staff) -> None:
    assert names(shown(staff("view_backupdestination"), LIST)) == ["nas"]
    assert staff("test_backupdestination").get(LIST).status_code == 403


def test_the_list_shows_state_type_and_age_of_the_last_backup(nas: BackupDestination, staff: Staff) -> None:
    client = staff("view_backupdestination")
    (row,) = shown(client, LIST).listed()
    assert not row.has_field("last_backup_at")
    assert row.one(class_="field-last_backup").text == "never"
    at = timezone.now() - timedelta(hours=3, minutes=5)
    nas.record_backup("failed", at, stored=False)
    found = shown(client, LIST)
    (row,) = found.listed()
    assert {name: row.field(name).status for name in ("state", "type", "last_backup_status")} == {
        "state": "enabled",
        "type": "local",
        "last_backup_status": "failed",
    }
    assert row.field("last_backup_at").value == at.isoformat()
    assert row.field("last_backup_at").text == f"{at:%Y-%m-%d %H:%M} (3 h ago)"
    assert len(found.columns()) == 6


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
            assert f"d{rows[-1]}" in names(shown(client, LIST))
        return len(captured)

    assert queries(range(5)) == queries(range(5, 50))


@pytest.mark.parametrize("query", ["q=na", "enabled__exact=1", "type__exact=local", "last_backup_status__exact="])
def test_the_list_is_searched_and_filtered(nas: BackupDestination, staff: Staff, query: str) -> None:
    BackupDestination.objects.create(
        name="usb", type="vault", enabled=False, last_backup_status="failed", config_json={"path": "usb"}
    )
    assert names(shown(staff("view_backupdestination"), f"{LIST}?{query}")) == ["nas"]


def test_a_destination_is_added_by_its_form_and_says_who_did_it(
    backup_root: Path, staff: Staff, caplog: pytest.LogCaptureFixture
) -> None:
    client = staff("add_backupdestination", "view_backupdestination")
    assert len(shown(client, ADD).inputs("option_path")) == 1
    with caplog.at_level(logging.INFO, "destinations"):
        shown(client, ADD, {"name": "usb", "enabled": "on", "retention_days": "30", "option_path": ""})
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
    faults = shown(staff(*EVERYTHING), ADD, {"name": "usb", "enabled": "on", "option_path": path}).faults()
    assert len(faults) == 1
    assert re.search("outside BACKUP_ROOT|cannot be used|already stores at", *faults.values())
    assert BackupDestination.objects.count() == 1


@pytest.mark.usefixtures("vault_type")
def test_the_type_is_asked_first_where_there_are_several(backup_root: Path, staff: Staff) -> None:
    client = staff(*EVERYTHING)
    for address in (CHOOSE, f"{CHOOSE}?type=floppy"):
        found = shown(client, address)
        assert found.inputs("type", type="radio") == list(TYPES)
        assert found.inputs("option_path") == []
    assert len(shown(client, f"{CHOOSE}?type=vault").inputs("option_password")) == 1
    assert shown(client, ADD).inputs("option_password") == []
    assert staff("view_backupdestination").get(CHOOSE).status_code == 403


def test_a_destination_is_changed_by_those_who_may_and_its_type_never(nas: BackupDestination, staff: Staff) -> None:
    data = {"name": "nas2", "type": "vault", "retention_days": "", "option_path": "nas2"}
    assert staff("view_backupdestination").post(page(nas, "change"), data).status_code == 403
    nas.refresh_from_db()
    assert nas.name == "nas"
    shown(staff(*EVERYTHING), page(nas, "change"), data)
    nas.refresh_from_db()
    assert (nas.name, nas.type, nas.enabled, nas.config_json) == ("nas2", "local", False, {"path": "nas2"})
    assert nas.created_by == "alice"


def test_a_viewer_sees_the_location_and_nothing_to_change(
    nas: BackupDestination, staff: Staff, backup_root: Path
) -> None:
    found = shown(staff("view_backupdestination"), page(nas, "change"))
    assert found.one(class_="field-location").one(class_="readonly").text == str(backup_root / "nas")
    assert found.inputs("_save") == found.inputs("option_path") == []
    assert found.actions() == set()


def test_a_row_of_an_unknown_type_can_still_be_seen_and_disabled(nas: BackupDestination, staff: Staff) -> None:
    BackupDestination.objects.update(type="floppy")
    client = staff(*EVERYTHING)
    location = shown(client, page(nas, "change")).one(class_="field-location")
    assert "There is no destination type" in location.text
    shown(client, page(nas, "change"), {"name": "nas", "retention_days": ""})
    nas.refresh_from_db()
    assert (nas.enabled, nas.type) == (False, "floppy")
    assert shown(client, page(nas, "test"), {}).messages() == ["error"]


def test_an_unused_destination_is_deleted_by_those_who_may_and_its_files_stay(
    nas: BackupDestination, staff: Staff, backup_root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (backup_root / "nas").mkdir()
    (backup_root / "nas/foreign.tar").write_bytes(b"x")
    assert staff("view_backupdestination").post(page(nas, "delete"), {"post": "yes"}).status_code == 403
    client = staff(*EVERYTHING)
    assert "files-stay" in shown(client, page(nas, "delete")).notices()
    with caplog.at_level(logging.INFO, "destinations"):
        shown(client, page(nas, "delete"), {"post": "yes"})
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
        assert "it is used by 2 backups" in Page(response.content.decode()).message("error")
        assert response.redirect_chain == [(page(nas, "change"), 302)]
    assert BackupDestination.objects.exists()
    assert staff("view_backupdestination").get(page(nas, "delete")).status_code == 403


def test_a_backup_that_begins_after_the_page_has_looked_keeps_the_destination(
    nas: BackupDestination, staff: Staff, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = BackupDestination.remove

    def later(self: BackupDestination) -> None:
        BackupExecution.objects.create(instance="hq", destination=self)
        real(self)

    monkeypatch.setattr(BackupDestination, "remove", later)
    response = staff(*EVERYTHING).post(page(nas, "delete"), {"post": "yes"}, follow=True)
    assert "it is used by 1 backup" in Page(response.content.decode()).message("error")
    kept = BackupDestination.objects.get()
    assert (kept.removed_at, kept.config_json) == (None, nas.config_json)


def test_no_action_of_the_list_deletes_many_at_once(nas: BackupDestination, staff: Staff) -> None:
    client = staff(*EVERYTHING)
    client.post(LIST, {"action": "delete_selected", "_selected_action": [nas.pk], "post": "yes"})
    assert BackupDestination.objects.exists()
