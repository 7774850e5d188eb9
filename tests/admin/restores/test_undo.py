"""Undoing a restore and acknowledging it, by its page."""

from pathlib import Path

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from backups.models import BackupExecution, RestoreExecution
from backups.service.restore.run import run_restore
from tests.support.pages.parsed import page_at
from tests.support.pages.restore_pages import MAY, a_restore, confirmed, orders, page_of
from tests.support.rows import VIEW, a_client, an_execution

pytestmark = pytest.mark.django_db


def test_what_was_undone_or_cannot_be_undone_has_no_button(admin: Client) -> None:
    undone = a_restore()
    undo = a_restore(undo_of=undone)
    page = page_at(admin, page_of(undone))
    assert page.actions() == set()
    assert (page.field("undone_by").value, page.field("undone_by")["href"]) == (undo.pk, page_of(undo))
    gone = a_restore(safety_backup=an_execution(kind="safety", deleted_at=timezone.now()))
    assert page_at(admin, page_of(gone)).actions() == {"acknowledge"}
    assert "There is nothing to undo" in page_at(admin, page_of(gone, "undo")).message("error")


def test_the_undo_page_says_what_comes_back_and_changes_nothing(restored: RestoreExecution, tmp_path: Path) -> None:
    page = page_at(a_client(VIEW, MAY), page_of(restored, "undo"))
    assert page.title == "Undo the restore of shop?"
    assert page.notice("loss").status == "loss"
    assert "500 orders rows" in page.notice("loss").field("loss").text
    assert page.component("orders").section("tables").row("orders").facts("now", "backup", "difference") == {
        "now": "1500",
        "backup": "1000",
        "difference": "-500",
    }
    assert page.section("archive").facts("archive", "destination") == {
        "archive": str(restored.safety_backup),
        "destination": "nas",
    }
    assert RestoreExecution.objects.count() == 1
    assert orders(tmp_path / "shop") == 1500


@pytest.mark.parametrize(
    ("fields", "at"), [({"confirm": "wiki"}, "confirm"), ({"archive_sha256": "0" * 64}, "__all__")]
)
def test_an_undo_that_is_not_confirmed_queues_nothing(
    restored: RestoreExecution, fields: dict[str, str], at: str
) -> None:
    assert restored.safety_backup is not None
    data = confirmed(restored.safety_backup, **fields)
    page = page_at(a_client(VIEW, MAY), page_of(restored, "undo"), data, status=400)
    assert at in page.faults()
    assert RestoreExecution.objects.count() == 1


def test_a_confirmed_undo_brings_back_what_was_there(restored: RestoreExecution, tmp_path: Path) -> None:
    assert restored.safety_backup is not None
    client = a_client(VIEW, MAY)
    assert page_at(client, page_of(restored, "undo"), confirmed(restored.safety_backup)).messages() == ["success"]
    undo = restored.undone_by.get()
    assert (undo.triggered_by, undo.execution) == ("bob", restored.safety_backup)
    run_restore(undo.pk)
    assert orders(tmp_path / "shop") == 1000
    page = page_at(client, page_of(undo))
    assert page.title == "Undo of shop"
    assert page.field("undo_of").value == restored.pk


def test_an_undo_is_refused_where_restores_are_switched_off(restored: RestoreExecution, settings: Settings) -> None:
    settings.BACKUP_WEB_RESTORE = False
    client = a_client(VIEW, MAY)
    assert page_at(client, page_of(restored)).actions() == {"acknowledge"}
    assert restored.safety_backup is not None
    page = page_at(client, page_of(restored, "undo"), confirmed(restored.safety_backup), status=403)
    said = page.notice("restores-off").field("command").text
    assert said == f"manage.py restore --undo {restored.pk} --confirm"


def test_acknowledging_takes_the_mark_away_and_the_pin(restored: RestoreExecution, tmp_path: Path) -> None:
    client = a_client(VIEW, MAY)
    marker = tmp_path / "shop" / "restart-required.json"
    assert marker.exists()
    assert "restart" in page_at(client, "/admin/").notices()
    page = page_at(client, page_of(restored, "acknowledge"), {})
    assert page.messages() == ["success"]
    assert page.field("acknowledged_by").text == "bob"
    assert "restart" not in page.notices()
    front = page_at(client, "/admin/")
    assert "restart" not in front.notices() and "restart-required" not in front.flags()
    assert not marker.exists()
    assert not BackupExecution.objects.filter(pinned=True).exists()
