"""Back up now."""

import logging
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django_q.models import OrmQ
from pytest_django import Settings

from backups.models import BackupExecution
from tests.support.pages.admin_pages import LIST, START, url
from tests.support.pages.parsed import page_at
from tests.support.rows import VIEW, Status, a_client, a_destination, a_user, an_execution

pytestmark = pytest.mark.django_db


def may_run(**names: str) -> Client:
    return a_client(VIEW, "run_backup", **names)


def test_a_backup_is_queued_with_its_comment_and_its_page_is_shown(django_capture_on_commit_callbacks: Any) -> None:
    data = {"instance": "shop", "destination": a_destination().pk, "comment": "before the upgrade"}
    with django_capture_on_commit_callbacks(execute=True):
        response = may_run().post(START, data)
    execution = BackupExecution.objects.get()
    assert response["Location"] == url(execution)
    assert (execution.status, execution.instance, execution.kind) == (Status.QUEUED, "shop", "manual")
    assert (execution.triggered_by, execution.comment) == ("bob", "before the upgrade")
    (message,) = OrmQ.objects.all()
    assert message.task["args"] == (execution.pk,)
    (entry,) = LogEntry.objects.all()
    assert (entry.object_id, entry.user.get_username()) == (execution.pk, "bob")
    assert "Started a manual backup of shop to nas." in entry.get_change_message()


def test_the_page_after_it_says_that_it_is_queued() -> None:
    data = {"instance": "shop", "destination": a_destination().pk}
    page = page_at(may_run(), START, data)
    assert page.messages() == ["success"]
    assert page.title == "Backup of shop"
    assert (page.run().status, page.run().field("detail").text) == ("queued", "waiting for a worker")


def test_the_form_offers_the_instances_and_the_enabled_destinations() -> None:
    a_destination("nas")
    a_destination("offsite")
    a_destination("broken", enabled=False)
    page = page_at(may_run(), f"{START}?instance=wiki")
    assert (page.options("instance"), page.chosen("instance")) == (["shop", "wiki"], ["wiki"])
    assert set(page.options("destination")) == {"---------", "nas", "offsite"}
    assert not BackupExecution.objects.exists()


def test_the_only_destination_is_chosen_already() -> None:
    a_destination()
    assert page_at(may_run(), START).options("destination") == ["nas"]


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("instance", "gone", "gone"),
        ("instance", "", "required"),
        ("destination", "unknown", "disabled or gone"),
        ("comment", "x" * 501, "500"),
    ],
)
def test_what_is_wrong_is_shown_at_the_field_and_nothing_starts(field: str, value: str, words: str) -> None:
    data = {"instance": "shop", "destination": a_destination().pk, "comment": "", field: value}
    faults = page_at(may_run(), START, data, status=400).faults()
    assert list(faults) == [field]
    assert words in faults[field]
    assert not BackupExecution.objects.exists()


def test_a_disabled_destination_is_refused() -> None:
    destination = a_destination(enabled=False)
    a_destination("other")
    page = page_at(may_run(), START, {"instance": "shop", "destination": destination.pk}, status=400)
    assert list(page.faults()) == ["destination"]
    assert not BackupExecution.objects.exists()


def test_without_instances_or_destinations_it_says_what_is_needed(settings: Settings, admin: Client) -> None:
    page = page_at(may_run(), START)
    assert page.notices() == ["nothing-to-start"]
    assert page.content.actions() == set()
    add = "/admin/destinations/backupdestination/add/"
    assert add not in page.html
    assert page_at(admin, START).notice("nothing-to-start").links() == [add]
    a_destination()
    settings.BACKUP_INSTANCES = {"shop": {"kind": "nonsense", "root": "/"}}
    page = page_at(may_run(name="dave"), START)
    assert page.notices() == ["instances", "nothing-to-start"]
    assert page.notice("instances", "shop").facts("message", "hint") == {
        "message": "[shop] kind: The kind is unknown.",
        "hint": "Use one of tacacs, generic.",
    }


def test_users_without_the_permission_are_refused() -> None:
    data = {"instance": "shop", "destination": a_destination().pk}
    for client in (a_client(VIEW), a_client("run_backup", name="carol")):
        assert client.get(START).status_code == 403
        assert client.post(START, data).status_code == 403
    assert not BackupExecution.objects.exists()


def test_a_form_of_another_site_is_refused() -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(a_user(VIEW, "run_backup"))
    data = {"instance": "shop", "destination": a_destination().pk}
    assert client.post(START, data).status_code == 403
    assert client.put(START).status_code == 403
    assert not BackupExecution.objects.exists()


def test_back_up_again_takes_the_same_instance_and_destination() -> None:
    old = an_execution("wiki", status=Status.FAILED, destination=a_destination("offsite"))
    page = page_at(may_run(), url(old, "again"), {})
    new = BackupExecution.objects.exclude(pk=old.pk).get()
    assert (new.status, new.instance, new.destination) == (Status.QUEUED, "wiki", old.destination)
    assert page.messages() == ["success"]
    assert page.run().get("data-run") == new.pk


def test_back_up_again_of_an_instance_that_is_gone_says_so(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "backups")
    old = an_execution("gone")
    page = page_at(may_run(), url(old, "again"), {})
    assert "There is no instance 'gone'" in page.message("error")
    assert BackupExecution.objects.get() == old
    assert "backup.refused instance=gone" in caplog.text


def test_only_a_form_starts_a_backup(admin: Client) -> None:
    old = an_execution()
    assert admin.get(url(old, "again")).status_code == 302
    assert admin.get(f"{LIST}unknown/again/").status_code == 302
    assert BackupExecution.objects.get() == old


def test_who_presses_again_is_led_to_the_one_that_waits() -> None:
    client, data = may_run(), {"instance": "shop", "destination": a_destination().pk}
    client.post(START, data)
    first = BackupExecution.objects.get()
    for _ in range(2):
        assert client.post(START, data)["Location"] == url(first)
    page = page_at(client, START, data | {"comment": "before the <move>"})
    said = page.message_texts("warning")
    assert len(said) == 3
    assert all(f"{first.pk}, requested by bob" in one for one in said)
    assert "before the <move>" in said[2] and page.field("comment").text == "before the <move>"
    assert "<move>" not in page.html
    assert BackupExecution.objects.get().comment == "before the <move>"


def test_back_up_again_leads_to_the_one_that_waits_too() -> None:
    client, ended = may_run(), an_execution()
    client.post(url(ended, "again"))
    first = BackupExecution.objects.get(status="queued")
    assert client.post(url(ended, "again"))["Location"] == url(first)
    assert client.post(LIST, {"action": "back_up_again", "_selected_action": [ended.pk]}).status_code == 302
    assert BackupExecution.objects.filter(status="queued").count() == 1
