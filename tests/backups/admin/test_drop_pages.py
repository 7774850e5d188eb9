"""What the pages say of data that is gone, and the page that asks whether it is gone on purpose."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from backups.models import BackupExecution
from backups.service.drops import open_episodes
from tests.backups.admin.pages import LIST, buttons, raw, text, url
from tests.backups.factories import VIEW, a_client, a_manifest, an_execution

pytestmark = pytest.mark.django_db
INDEX = "/admin/"
HOUR = timedelta(hours=1)
NOTICE = 'data-notice="drop"'
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
    front = raw(admin, INDEX)
    assert 'class="bs-banner" data-status="bad"' in front and 'data-status="dropped"' in front and NOTICE in front
    said = text(admin, INDEX)
    assert "table items of orders: 1,234 rows became none" in said
    assert "uploads: 90 kB became 800 B" in said
    page = raw(admin, f"{LIST}instance/shop/")
    assert 'data-status="dropped"' in page and NOTICE in page and url(night) in page
    assert NOTICE not in raw(admin, f"{LIST}instance/wiki/")
    assert raw(admin, url(night)).count('data-drop="open"') == 2
    assert "data dropped" in text(admin, LIST)
    assert 'data-status="late">Completed' in raw(admin, LIST)


def test_it_is_confirmed_when_the_instance_is_typed(night: BackupExecution, full: BackupExecution) -> None:
    client = a_client(VIEW, "confirm_drop")
    assert "Confirm drop…" in buttons(raw(client, url(night)))
    page = raw(client, url(night, "confirm_drop"))
    assert url(full) in page and "1,234 rows" in page
    night.refresh_from_db()
    assert night.open_drop
    said = text(client, url(night, "confirm_drop"), {"confirm": "shop", "components": ["orders", "uploads"]})
    assert "gone on purpose" in said and "bob confirmed it" in said
    night.refresh_from_db()
    assert (night.open_drop, night.drop_confirmed_by, open_episodes()) == (False, "bob", {})
    assert "Confirm drop…" not in buttons(raw(client, url(night)))
    assert 'class="bs-banner" data-status="bad"' not in raw(client, INDEX) or NOTICE not in raw(client, INDEX)
    assert "Confirmed that data is gone on purpose" in text(client, url(night))


@pytest.mark.parametrize(
    "posted",
    [{}, {"confirm": "Shop", "components": ["orders"]}, {"confirm": "shop"}, {"confirm": "shop", "components": ["x"]}],
)
def test_anything_else_confirms_nothing(night: BackupExecution, posted: dict[str, Any]) -> None:
    client = a_client(VIEW, "confirm_drop")
    response = client.post(url(night, "confirm_drop"), posted)
    assert (response.status_code, 'role="alert"' in response.content.decode()) == (400, True)
    night.refresh_from_db()
    assert night.open_drop


def test_one_component_may_be_confirmed_alone(night: BackupExecution) -> None:
    text(a_client(VIEW, "confirm_drop"), url(night, "confirm_drop"), {"confirm": "shop", "components": ["uploads"]})
    night.refresh_from_db()
    assert night.open_drop
    assert ["confirmed_by" in entry for entry in night.drops] == [False, True]


def test_who_may_not_confirm_has_no_button_and_is_refused(night: BackupExecution) -> None:
    client = a_client(VIEW, "run_backup", "delete_backup")
    assert "Confirm drop…" not in buttons(raw(client, url(night)))
    answer = client.post(url(night, "confirm_drop"), {"confirm": "shop", "components": ["orders", "uploads"]})
    assert answer.status_code == 403
    night.refresh_from_db()
    assert night.open_drop


def test_deleting_a_backup_from_before_it_by_hand_warns(night: BackupExecution, full: BackupExecution) -> None:
    client = a_client(VIEW, "delete_backup")
    assert 'data-notice="before-drop"' in raw(client, url(full, "delete_archive"))
    assert 'data-notice="before-drop"' not in raw(client, url(night, "delete_archive"))


def test_names_that_templates_would_look_up_and_names_with_markup_are_shown_as_they_are(admin: Client) -> None:
    names = ["items", "keys", "values", "get", "0", "", "<b>x"]
    manifest = a_manifest("shop")
    drops = [DROPS[0] | {"component": name, "table": name} for name in names]
    row = an_execution("shop", drops=drops, manifest_json=manifest.to_dict())
    page = raw(admin, url(row))
    assert page.count('data-drop="open"') == len(names)
    assert "&lt;b&gt;x" in page and "<b>x" not in page
    assert raw(admin, INDEX).count(NOTICE) == 1
