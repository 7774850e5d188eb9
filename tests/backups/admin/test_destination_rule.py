"""The form of a destination: a rule that deletes more is shown and typed for, and archives stay in reach."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from backups.models import BackupExecution
from backups.service.prune import prune
from backups.service.rule_change import settle_rule
from destinations.models import BackupDestination
from tests.backups.admin.pages import LIST, raw, text
from tests.backups.factories import VIEW, a_client, a_destination
from tests.backups.stored import daily, there

pytestmark = pytest.mark.django_db
CHANGE, SEE = "change_backupdestination", "view_backupdestination"
ASKED = 'data-rule="unconfirmed"'
PENDING = 'data-rule="pending"'


@pytest.fixture
def nas() -> BackupDestination:
    destination = a_destination("nas", retention_days=30, min_keep=2)
    settle_rule(destination)
    return destination


def some(destination: BackupDestination, days: int = 10) -> list[BackupExecution]:
    return daily(destination, days, "shop", newest=timezone.now() - timedelta(hours=1))


def page(destination: BackupDestination) -> str:
    return f"/admin/destinations/backupdestination/{destination.pk}/change/"


def posted(**fields: Any) -> dict[str, Any]:
    return {"name": "nas", "enabled": "on", "retention_days": "30", "min_keep": "2", "option_path": "nas"} | fields


def shown(html: str) -> str:
    found = re.search(r'name="shown" value="([0-9a-f]{64})"', html)
    assert found
    return found[1]


def days(destination: BackupDestination) -> int | None:
    destination.refresh_from_db()
    return destination.retention_days


def test_a_stricter_rule_shows_what_would_go_before_it_is_saved(nas: BackupDestination) -> None:
    rows = some(nas)
    client = a_client(VIEW, CHANGE)
    html = raw(client, page(nas), posted(retention_days="7"))
    assert ASKED in html
    assert set(re.findall(r'data-goes="([^"]+)"', html)) == {row.pk for row in rows[7:]}
    assert "it is older than 7 days" in html
    assert (days(nas), prune(nas, by="tests").deleted) == (30, [])

    raw(client, page(nas), posted(retention_days="7", confirm="nas", shown=shown(html)))
    assert (days(nas), nas.confirmed_rule["keep_days"], nas.rule_pending_since) == (7, 7, None)
    assert there(rows) == list(range(10))
    assert [entry.execution for entry in prune(nas, by="tests").deleted] == rows[:6:-1]


@pytest.mark.parametrize(
    "confirmation", [{"confirm": ""}, {"confirm": "NAS"}, {"confirm": "shop"}, {"shown": "0" * 64}]
)
def test_another_text_or_another_list_saves_nothing(nas: BackupDestination, confirmation: dict[str, str]) -> None:
    some(nas)
    client = a_client(VIEW, CHANGE)
    digest = shown(raw(client, page(nas), posted(retention_days="7")))
    html = raw(client, page(nas), posted(retention_days="7", **{"confirm": "nas", "shown": digest} | confirmation))
    assert ASKED in html and 'role="alert"' in html
    assert days(nas) == 30


def test_nothing_is_asked_where_nothing_more_would_go(nas: BackupDestination) -> None:
    some(nas)
    client = a_client(VIEW, CHANGE)
    for number in ("90", "12"):
        assert ASKED not in raw(client, page(nas), posted(retention_days=number))
        assert days(nas) == int(number)
    raw(client, page(nas), posted(retention_days="12", enabled=""))
    nas.refresh_from_db()
    assert not nas.enabled


def test_who_may_not_change_destinations_changes_no_rule(nas: BackupDestination) -> None:
    some(nas)
    client = a_client(VIEW, SEE, "delete_backup")
    assert client.post(page(nas), posted(retention_days="7", confirm="nas", shown="0" * 64)).status_code == 403
    assert days(nas) == 30


def test_who_may_not_see_backups_is_told_how_many_and_not_which(nas: BackupDestination) -> None:
    some(nas)
    html = raw(a_client(CHANGE), page(nas), posted(retention_days="7"))
    assert ASKED in html and "3 more backups" in html
    assert "data-goes" not in html and "shop" not in html


def test_a_folder_is_not_changed_while_archives_are_there(nas: BackupDestination) -> None:
    some(nas, 2)
    said = text(a_client(VIEW, CHANGE), page(nas), posted(option_path="elsewhere"))
    assert "cannot be moved" in said and "2 of its archives would be out of reach" in said
    nas.refresh_from_db()
    assert nas.config_json == {"path": "nas"}


def test_a_rule_that_waits_is_on_the_front_page_and_is_confirmed_where_it_shows_what_goes(
    nas: BackupDestination, settings: Settings
) -> None:
    rows = some(nas)
    BackupDestination.objects.update(retention_days=7)
    nas.refresh_from_db()
    settle_rule(nas)
    client = a_client(VIEW, SEE, "delete_backup")
    assert PENDING in raw(client, "/admin/")
    assert "(not confirmed)" in text(client, "/admin/destinations/backupdestination/").replace("\xa0", " ")
    preview, confirm = f"{LIST}retention/{nas.pk}/", f"{LIST}confirm_rule/{nas.pk}/"
    html = raw(client, preview)
    assert PENDING in html and set(re.findall(r'data-goes="([^"]+)"', html)) == {row.pk for row in rows[7:]}
    assert client.get(confirm).status_code == 405
    assert client.post(confirm, {"shown": shown(html), "confirm": "other"}).status_code == 400
    assert client.post(confirm, {"shown": "0" * 64, "confirm": "nas"}).status_code == 409
    assert refused(a_client(VIEW, "run_backup", name="carol"), confirm, shown(html))
    nas.refresh_from_db()
    assert nas.rule_pending_since is not None
    assert PENDING not in raw(client, confirm, {"shown": shown(html), "confirm": "nas"})
    assert PENDING not in raw(client, "/admin/")
    assert len(prune(nas, by="tests").deleted) == 3


def refused(client: Client, address: str, digest: str) -> bool:
    return client.post(address, {"shown": digest, "confirm": "nas"}).status_code == 403
