"""Dropped data on the pages, and the page that confirms a drop."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from backups.models import BackupExecution
from backups.service.drops.episodes import open_episodes
from tests.support.pages.admin_pages import LIST, url
from tests.support.pages.parsed import page_at
from tests.support.rows import VIEW, a_client, a_manifest, an_execution

pytestmark = pytest.mark.django_db
INDEX = "/admin/"
HOUR = timedelta(hours=1)
NOTICE = "drop"
DROPS = [
    {"component": "orders", "table": "items", "measure": "rows", "before": 1234, "after": 0},
    {"component": "uploads", "table": "", "measure": "bytes", "before": 90_000, "after": 800},
]


@pytest.fixture
def full() -> BackupExecution:
    return an_execution("shop", age=9 * HOUR)


@pytest.fixture
def night(full: BackupExecution) -> BackupExecution:
    return an_execution("shop", age=HOUR, drops=[dict(drop) for drop in DROPS])


def test_the_pages_say_what_is_gone_and_not_in_green(night: BackupExecution, admin: Client) -> None:
    an_execution("wiki")
    front = page_at(admin, INDEX)
    assert front.field("banner").status == "warning"
    assert front.row("shop").all(data_reason="data-dropped")
    assert front.notice(NOTICE, "shop").fields("drop") == [
        "table items of orders: 1,234 rows became none",
        "uploads: 90 kB became 800 B",
    ]
    page = page_at(admin, "/admin/backups/instances/shop/")
    assert "data-dropped" in page.section("reasons").rows()
    assert url(night) in page.notice(NOTICE, "shop").links()
    assert NOTICE not in page_at(admin, "/admin/backups/instances/wiki/").notices()
    page = page_at(admin, url(night))
    assert page.notice(NOTICE).status == "open"
    drops = page.section("drops")
    assert drops.rows() == ["orders/items", "uploads"]
    assert {drops.row(name).status for name in drops.rows()} == {"open"}
    state = page_at(admin, LIST).run(night.pk)
    assert (state.field("detail").text, state.field("label").status) == ("data dropped", "late")


def test_it_is_confirmed_when_the_instance_is_typed(night: BackupExecution, full: BackupExecution) -> None:
    client = a_client(VIEW, "confirm_drop")
    assert "confirm_drop" in page_at(client, url(night)).actions()
    page = page_at(client, url(night, "confirm_drop"))
    assert url(full) in page.field("last_before").links()
    assert page.section("drops").row("orders/items").field("before").text == "1,234 rows"
    night.refresh_from_db()
    assert night.open_drop
    page = page_at(client, url(night, "confirm_drop"), {"confirm": "shop", "components": ["orders", "uploads"]})
    assert page.messages() == ["success"]
    assert page.notice(NOTICE).status == "confirmed"
    assert page.notice(NOTICE).field("drop_confirmed_by").text == "bob"
    assert page.section("drops").row("uploads").field("confirmed_by").value == "bob"
    assert "Confirmed that data is gone on purpose" in page.section("history").text
    night.refresh_from_db()
    assert (night.open_drop, night.drop_confirmed_by, open_episodes()) == (False, "bob", {})
    assert "confirm_drop" not in page.actions()
    front = page_at(client, INDEX)
    assert NOTICE not in front.notices()
    assert not front.row("shop").all(data_reason="data-dropped")


@pytest.mark.parametrize(
    "posted",
    [{}, {"confirm": "Shop", "components": ["orders"]}, {"confirm": "shop"}, {"confirm": "shop", "components": ["x"]}],
)
def test_anything_else_confirms_nothing(night: BackupExecution, posted: dict[str, Any]) -> None:
    client = a_client(VIEW, "confirm_drop")
    page = page_at(client, url(night, "confirm_drop"), posted, status=400)
    assert page.faults()
    assert page.messages() == []
    night.refresh_from_db()
    assert night.open_drop


def test_one_component_may_be_confirmed_alone(night: BackupExecution) -> None:
    client = a_client(VIEW, "confirm_drop")
    page = page_at(client, url(night, "confirm_drop"), {"confirm": "shop", "components": ["uploads"]})
    drops = page.section("drops")
    assert [drops.row(name).status for name in ("orders/items", "uploads")] == ["open", "confirmed"]
    night.refresh_from_db()
    assert night.open_drop
    assert ["confirmed_by" in entry for entry in night.drops] == [False, True]


def test_who_may_not_confirm_has_no_button_and_is_refused(night: BackupExecution) -> None:
    client = a_client(VIEW, "run_backup", "delete_backup")
    assert "confirm_drop" not in page_at(client, url(night)).actions()
    answer = client.post(url(night, "confirm_drop"), {"confirm": "shop", "components": ["orders", "uploads"]})
    assert answer.status_code == 403
    night.refresh_from_db()
    assert night.open_drop


def test_deleting_a_backup_from_before_it_by_hand_warns(night: BackupExecution, full: BackupExecution) -> None:
    client = a_client(VIEW, "delete_backup")
    assert "before-drop" in page_at(client, url(full, "delete_archive")).notices()
    assert "before-drop" not in page_at(client, url(night, "delete_archive")).notices()


def test_names_that_templates_would_look_up_and_names_with_markup_are_shown_as_they_are(admin: Client) -> None:
    names = ["items", "keys", "values", "get", "0", "", "<b>x"]
    manifest = a_manifest("shop")
    drops = [DROPS[0] | {"component": name, "table": name} for name in names]
    row = an_execution("shop", drops=drops, manifest_json=manifest.to_dict())
    page = page_at(admin, url(row))
    drops = page.section("drops")
    assert [found.status for found in drops.all(data_row="*")] == ["open"] * len(names)
    assert drops.fields("component") == names
    assert "<b>x" not in page.html
    assert page_at(admin, INDEX).notices().count(NOTICE) == 1
