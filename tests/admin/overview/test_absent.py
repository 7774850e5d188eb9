"""Components that do not exist, on the front page and on the page of their instance."""

import time
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from backups.models import InstanceState
from backups.service.automation.watch import back_up_changes
from tests.support.file_systems import silent_mount
from tests.support.pages.front_page import INDEX, banner, row
from tests.support.pages.parsed import page_at
from tests.support.protected import a_protected_backup
from tests.support.rows import VIEW, a_client

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("worker", "scheduled")]
SHOP = "/admin/backups/instances/shop/"


def lacking(severity: str, component: str = "orders", **fields: Any) -> None:
    item = {
        "component": component,
        "reason": f"/srv/shop/{component} does not exist.",
        "hint": "Bring it back.",
        "severity": severity,
        "backups": 0,
    }
    InstanceState.objects.update_or_create(instance="shop", defaults={"absent_components": [item | fields]})


@pytest.fixture(autouse=True)
def good_backups(instances: dict[str, Any]) -> None:
    for name in instances:
        a_protected_backup(name)


def test_a_required_one_turns_the_banner_amber_with_reason_and_what_to_do(
    instances: dict[str, Any], settings: Any, tmp_path: Path
) -> None:
    (tmp_path / "shop" / "orders.db").unlink()
    settings.BACKUP_QUEUE = "backups"
    back_up_changes("backups")
    client = a_client(VIEW)
    severity, text = banner(client)
    assert severity == "warning"
    assert f"orders of shop is missing: {tmp_path / 'shop' / 'orders.db'} does not exist" in text
    assert row(client, "shop").one(data_flag="absent")["href"] == SHOP
    for address in (INDEX, SHOP):
        notice = page_at(client, address).notice("absent")
        assert notice["data-about"] == "shop"
        found = notice.row("orders")
        assert found.status == "problem"
        assert "orders.db does not exist" in found.field("reason").text
        assert found.field("hint").text
    part = page_at(client, SHOP).section("components").row("orders")
    assert part.one(data_flag="absent").status == "problem"
    (tmp_path / "shop" / "orders.db").touch()
    back_up_changes("backups")
    assert banner(client)[0] == "good"


def test_a_loss_of_an_optional_one_is_amber_and_a_note_stays_a_note() -> None:
    client = a_client(VIEW)
    lacking("loss")
    severity, text = banner(client)
    assert (severity, "orders of shop is missing" in text) == ("warning", True)
    assert page_at(client, INDEX).notice("absent").row("orders").status == "loss"
    lacking("note")
    assert banner(client)[0] == "good"
    assert "absent" not in page_at(client, INDEX).notices()
    assert row(client, "shop").one(data_flag="absent-optional").value == "1"
    assert page_at(client, SHOP).section("components").row("orders").one(data_flag="absent").status == "note"


def test_what_the_service_makes_at_its_first_use_is_not_mentioned() -> None:
    lacking("expected")
    client = a_client(VIEW)
    assert banner(client)[0] == "good"
    for address in (INDEX, SHOP):
        page = page_at(client, address)
        assert "absent" not in page.notices()
        assert not page.all(data_flag="absent")


def test_an_instance_that_is_no_longer_described_lacks_nothing(instances: dict[str, Any]) -> None:
    lacking("problem")
    del instances["shop"]
    assert "is missing" not in banner(a_client(VIEW))[1]


def test_the_front_page_asks_for_no_instance_by_itself(admin: Client) -> None:
    counts = []
    for absences in (False, True):
        if absences:
            lacking("problem")
        with CaptureQueriesContext(connection) as found:
            admin.get(INDEX)
        counts.append(len(found))
    assert counts[0] == counts[1]


def test_a_mount_that_does_not_answer_holds_up_neither_page(
    admin: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backups.lib.in_time.PATIENCE", 0.3)
    with silent_mount(tmp_path / "shop"):
        began = time.monotonic()
        assert banner(admin)[0] == "good"
        assert page_at(admin, SHOP).notice("components").field("hint").text
        assert time.monotonic() - began < 20
