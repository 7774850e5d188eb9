"""The buttons of a backup: cancel, download, verify, delete."""

import hashlib
import logging
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from backups.admin.shared.permissions import ACTIONS
from backups.models import BackupExecution
from tests.support.pages.admin_pages import LIST, url
from tests.support.pages.parsed import page_at
from tests.support.rows import VIEW, Status, a_client, a_destination, an_execution

Run = Callable[[], BackupExecution]
everything = pytest.mark.django_db(transaction=True)
NEEDED = {action.name: action.permission for action in ACTIONS}
ALL = set(NEEDED.values())


def archive_of(execution: BackupExecution, settings: Settings) -> Path:
    return Path(settings.BACKUP_ROOT) / execution.destination.name / execution.backup_path


def notes() -> list[str]:
    return [entry.get_change_message() for entry in LogEntry.objects.order_by("pk")]


@pytest.mark.django_db
@pytest.mark.parametrize("name", NEEDED)
def test_an_action_is_refused_without_its_permission_and_the_attempt_recorded(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "backups")
    execution = an_execution(status=Status.QUEUED if name == "cancel" else Status.COMPLETED)
    before = execution.status
    client = a_client(VIEW, *(ALL - {NEEDED[name]}))
    assert client.post(url(execution, name), {"confirm": "shop"}).status_code == 403
    assert a_client(NEEDED[name], name="blind").post(url(execution, name)).status_code == 403
    assert Client().post(url(execution, name)).status_code == 302
    execution.refresh_from_db()
    assert (execution.status, execution.deleted_at, execution.cancel_requested_at) == (before, None, None)
    assert BackupExecution.objects.count() == 1
    assert f"without the permission {NEEDED[name]}." in notes()[0]
    assert f"backup.forbidden backup={execution.pk} action={name} by=bob" in caplog.text


@pytest.mark.django_db
@pytest.mark.parametrize("name", NEEDED)
def test_an_action_on_an_unknown_backup_is_not_found(admin: Client, name: str) -> None:
    assert admin.post(f"{LIST}unknown/{name}/").status_code == 404


@pytest.mark.django_db
@pytest.mark.parametrize("name", [action.name for action in ACTIONS if not action.has_page])
def test_following_a_link_does_nothing(admin: Client, name: str) -> None:
    execution = an_execution()
    page = page_at(admin, url(execution, name))
    assert (page.title, page.messages()) == (f"Backup of {execution.instance}", ["warning"])
    assert (response := admin.put(url(execution, name))).status_code == 405
    assert response["Allow"] == "POST"
    assert list(BackupExecution.objects.values_list("pk", "status")) == [(execution.pk, "completed")]


@pytest.mark.django_db
@pytest.mark.parametrize("name", NEEDED)
def test_a_form_of_another_site_does_nothing(name: str) -> None:
    execution = an_execution(status=Status.QUEUED if name == "cancel" else Status.COMPLETED)
    client = Client(enforce_csrf_checks=True)
    client.cookies = a_client(VIEW, NEEDED[name]).cookies
    assert client.post(url(execution, name), {"confirm": "shop"}).status_code == 403
    assert notes() == []


@pytest.mark.django_db
def test_a_queued_one_is_cancelled_at_once() -> None:
    execution = an_execution(status=Status.QUEUED)
    page = page_at(a_client(VIEW, "run_backup"), url(execution, "cancel"), {})
    execution.refresh_from_db()
    assert execution.status == Status.CANCELLED
    assert page.messages() == ["success"]
    assert page.run().status == "cancelled"
    assert page.notice("error").field("message").text == "Cancelled by bob before it started."
    assert notes() == ["Cancelled the backup of shop."]


@pytest.mark.django_db
def test_a_running_one_is_cancelled() -> None:
    execution = an_execution(status=Status.RUNNING, heartbeat_at=timezone.now())
    page = page_at(a_client(VIEW, "run_backup"), url(execution, "cancel"), {})
    execution.refresh_from_db()
    assert (execution.status, execution.cancel_requested_by) == (Status.RUNNING, "bob")
    assert page.messages() == ["success"]
    assert page.run().field("detail").text == "stopping, cancelled by bob"
    assert page.field("cancel_requested_by").text == "bob"


@pytest.mark.django_db
def test_cancelling_what_has_ended_says_so() -> None:
    execution = an_execution()
    page = page_at(a_client(VIEW, "run_backup"), url(execution, "cancel"), {})
    assert "has ended already." in page.message("error")


@everything
def test_a_download_is_the_archive_byte_by_byte(backed_up: Run, settings: Settings) -> None:
    execution = backed_up()
    response = a_client(VIEW, "download_backup").post(url(execution, "download"))
    assert response["Content-Type"] == "application/octet-stream"
    assert response["Content-Disposition"] == f'attachment; filename="{execution.backup_filename}"'
    assert "no-store" in response["Cache-Control"]
    data = b"".join(response)
    assert int(response["Content-Length"]) == len(data) == execution.compressed_size_bytes
    assert hashlib.sha256(data).hexdigest() == execution.archive_sha256
    response.close()
    assert notes() == [f"Downloaded {execution.backup_filename}."]
    assert not list(Path(settings.BACKUP_WORKSPACE_ROOT).iterdir())


@everything
def test_a_damaged_archive_is_not_handed_out(backed_up: Run, settings: Settings) -> None:
    execution = backed_up()
    damage(archive_of(execution, settings))
    page = page_at(a_client(VIEW, "download_backup"), url(execution, "download"), {})
    assert f"{execution.backup_path} at nas is not what was uploaded" in page.message("error")


def damage(path: Path) -> None:
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(size // 2)
        byte = file.read(1)
        file.seek(size // 2)
        file.write(bytes([byte[0] ^ 1]))


@pytest.mark.django_db
def test_the_delete_page_says_what_is_lost_and_deletes_nothing() -> None:
    execution = an_execution()
    client = a_client(VIEW, "delete_backup")
    page = page_at(client, url(execution, "delete_archive"))
    assert page.notices() == ["deletes", "only-archive"]
    assert page.notice("deletes", "shop").facts("backup_filename", "compressed_size_bytes", "destination") == {
        "backup_filename": execution.backup_filename,
        "compressed_size_bytes": str(execution.compressed_size_bytes),
        "destination": "nas",
    }
    assert execution.started_at is not None
    assert page.field("started_at").value == execution.started_at.isoformat()
    other = an_execution(destination=a_destination("offsite"))
    an_execution("wiki")
    page = page_at(client, url(execution, "delete_archive"))
    assert page.notices() == ["deletes"]
    assert page.section("others").rows() == [other.pk]
    assert page.row(other.pk).field("destination").text == "offsite"
    assert "wiki" not in page.content.text
    execution.refresh_from_db()
    assert execution.deleted_at is None


@everything
def test_the_archive_is_deleted_when_the_instance_is_typed(backed_up: Run, settings: Settings) -> None:
    execution = backed_up()
    client = a_client(VIEW, "delete_backup")
    page = page_at(client, url(execution, "delete_archive"), {"confirm": "shop", "reason": "disk full"})
    execution.refresh_from_db()
    assert not os.path.lexists(archive_of(execution, settings))
    assert (execution.status, execution.deleted_reason) == (Status.COMPLETED, "disk full")
    assert page.messages() == ["success"]
    assert execution.deleted_at is not None
    assert page.facts("deleted_at", "deleted_reason") == {
        "deleted_at": execution.deleted_at.isoformat(),
        "deleted_reason": "disk full",
    }
    assert notes() == [f"Deleted the archive {execution.backup_filename} at nas: disk full"]


@everything
@pytest.mark.parametrize("typed", ["", "Shop", "wiki"])
def test_another_text_deletes_nothing(backed_up: Run, settings: Settings, typed: str) -> None:
    execution = backed_up()
    client = a_client(VIEW, "delete_backup")
    page = page_at(client, url(execution, "delete_archive"), {"confirm": typed}, status=400)
    assert list(page.faults()) == ["confirm"]
    assert archive_of(execution, settings).is_file()
    assert notes() == []


@pytest.mark.django_db
def test_a_pinned_archive_stays_and_its_page_says_why() -> None:
    execution = an_execution(pinned=True, pin_reason="audit of 2026")
    page = page_at(a_client(VIEW, "delete_backup"), url(execution, "delete_archive"), {"confirm": "shop"})
    assert f"{execution.backup_filename} is pinned: audit of 2026" in page.message("error")
    assert notes()[0].startswith("Deletion refused: ")


@pytest.mark.django_db
def test_deleting_twice_says_that_there_is_nothing_any_more() -> None:
    execution = an_execution(deleted_at=timezone.now())
    client, address = a_client(VIEW, "delete_backup"), url(execution, "delete_archive")
    for data in (None, {"confirm": "shop"}):
        assert "There is no archive to delete any more." in page_at(client, address, data).message("error")


@pytest.mark.django_db
def test_the_delete_page_escapes_what_it_shows() -> None:
    execution = an_execution(backup_filename="<b>x</b>.tar.gz")
    page = page_at(a_client(VIEW, "delete_backup"), url(execution, "delete_archive"))
    assert page.field("backup_filename").text == "<b>x</b>.tar.gz"
    assert "<b>x</b>" not in page.html
