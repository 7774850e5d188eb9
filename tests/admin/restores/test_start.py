"""Confirming a restore on its page: what is queued, and what is refused."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django_q.models import OrmQ
from pytest_django import Settings

from backups.models import BackupExecution, RestoreExecution
from tests.admin.backups.test_actions import archive_of
from tests.support.pages.admin_pages import url
from tests.support.pages.parsed import page_at
from tests.support.pages.restore_pages import MAY, a_restore, confirmed, page_of
from tests.support.rows import VIEW, a_client, an_execution

pytestmark = pytest.mark.django_db
Run = Callable[[], BackupExecution]


@pytest.fixture
def client(db: None) -> Client:
    return a_client(VIEW, MAY)


def test_the_confirmed_restore_is_queued_as_it_was_confirmed(
    backed_up: Run, client: Client, django_capture_on_commit_callbacks: Any
) -> None:
    execution = backed_up()
    with django_capture_on_commit_callbacks(execute=True):
        response = client.post(url(execution, "restore"), confirmed(execution))
    restore = RestoreExecution.objects.get()
    assert (response.status_code, response["Location"]) == (302, page_of(restore))
    assert (restore.instance, restore.execution, restore.components) == ("shop", execution, ["orders"])
    assert (restore.status, restore.triggered_by) == ("queued", "bob")
    assert (restore.archive_sha256, restore.force_invalid_config) == (execution.archive_sha256, False)
    assert OrmQ.objects.count() == 1
    page = page_at(client, page_of(restore))
    assert (page.messages(), page.run().status) == (["success"], "queued")


@pytest.mark.parametrize(
    ("fields", "at", "words"),
    [
        ({"confirm": "Shop"}, "confirm", "not the name of the instance, shop"),
        ({"confirm": ""}, "confirm", "required"),
        ({"components": []}, "components", "at least one component"),
        ({"components": ["users"]}, "components", "users cannot be restored"),
        ({"archive_sha256": "0" * 64}, "__all__", "not the archive that was shown"),
        ({"archive_sha256": ""}, "__all__", "not the archive that was shown"),
    ],
)
def test_what_is_not_right_queues_nothing(
    backed_up: Run, client: Client, fields: dict[str, Any], at: str, words: str
) -> None:
    execution = backed_up()
    page = page_at(client, url(execution, "restore"), confirmed(execution, **fields), status=400)
    assert list(page.faults()) == [at]
    assert words in page.faults()[at]
    assert page.one(data_fault=at)["role"] == "alert"
    assert not RestoreExecution.objects.exists()
    assert not OrmQ.objects.exists()


def test_the_archive_of_another_instance_needs_its_own_tick(backed_up: Run, client: Client) -> None:
    execution = backed_up()
    address = f"{url(execution, 'restore')}?into=wiki"
    page = page_at(client, address)
    assert page.title == "Restore wiki?"
    assert page.facts("into", "instance") == {"into": "wiki", "instance": "shop"}
    assert "The archive is of instance shop" in page.notice("refused").text
    assert page.ticked("allow_other_instance") == [] and len(page.inputs("allow_other_instance")) == 1
    refused = page_at(client, address, confirmed(execution, confirm="wiki"), status=400)
    assert list(refused.faults()) == ["allow_other_instance"]
    assert not RestoreExecution.objects.exists()
    client.post(address, confirmed(execution, confirm="wiki", allow_other_instance="on"))
    restore = RestoreExecution.objects.get()
    assert (restore.instance, restore.allow_other_instance) == ("wiki", True)


def test_an_archive_without_a_signature_needs_its_own_tick(backed_up: Run, client: Client, settings: Settings) -> None:
    execution = backed_up()
    archive = archive_of(execution, settings)
    archive.with_name(f"{archive.name}.minisig").unlink()
    page = page_at(client, url(execution, "restore"))
    assert page.field("signature").value == "missing"
    assert len(page.inputs("accept_unsigned")) == 1
    refused = page_at(client, url(execution, "restore"), confirmed(execution), status=400)
    assert list(refused.faults()) == ["accept_unsigned"]
    assert not RestoreExecution.objects.exists()
    client.post(url(execution, "restore"), confirmed(execution, accept_unsigned="on"))
    assert RestoreExecution.objects.get().accept_unsigned


def test_an_archive_whose_signature_does_not_fit_is_refused(backed_up: Run, client: Client, settings: Settings) -> None:
    execution, other = backed_up(), backed_up()
    signature, foreign = (
        archive.with_name(f"{archive.name}.minisig")
        for archive in (archive_of(execution, settings), archive_of(other, settings))
    )
    signature.write_bytes(foreign.read_bytes())
    page = page_at(client, url(execution, "restore"), confirmed(execution, accept_unsigned="on"))
    assert f"{execution.backup_filename} is refused" in page.message("error")
    assert not RestoreExecution.objects.exists()


def test_without_an_archive_there_is_nothing_to_restore(client: Client) -> None:
    execution = an_execution(status="failed")
    assert "restore" not in page_at(client, url(execution)).actions()
    page = page_at(client, url(execution, "restore"))
    assert (page.messages(), page.title) == (["error"], "Backup of shop")


def test_switched_off_there_is_no_button_and_every_way_is_refused(
    backed_up: Run, client: Client, settings: Settings
) -> None:
    settings.BACKUP_WEB_RESTORE = False
    execution = backed_up()
    command = f"manage.py restore {execution.pk} --confirm"
    page = page_at(client, url(execution))
    assert "restore" not in page.actions()
    assert page.notice("restores-off").field("command").text == command
    other = page_at(a_client(VIEW, name="carol"), url(execution))
    assert "restores-off" not in other.notices() and "BACKUP_WEB_RESTORE" not in other.html
    for data in (None, confirmed(execution)):
        refused = page_at(client, url(execution, "restore"), data, status=403)
        assert refused.notice("restores-off").field("command").text == command
    assert not RestoreExecution.objects.exists()


def test_another_restore_since_the_page_was_shown_ends_the_confirmation(backed_up: Run, client: Client) -> None:
    execution = backed_up()
    assert page_at(client, url(execution, "restore")).inputs("changes_seen", type="hidden") == ["0-0"]
    data = confirmed(execution)
    a_restore("shop", execution=execution)
    page = page_at(client, url(execution, "restore"), data, status=400)
    assert "Another restore of shop was carried out" in page.faults()["__all__"]
    assert RestoreExecution.objects.count() == 1
    assert client.post(url(execution, "restore"), confirmed(execution)).status_code == 302


def test_a_restore_that_failed_before_it_changed_anything_ends_no_confirmation(backed_up: Run, client: Client) -> None:
    execution = backed_up()
    data = confirmed(execution)
    a_restore("shop", execution=execution, status="failed")
    assert client.post(url(execution, "restore"), data).status_code == 302
