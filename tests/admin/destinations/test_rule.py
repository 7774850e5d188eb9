"""The form of a destination: a rule that deletes more is shown and typed for, and archives stay in reach."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from backups.models import BackupExecution
from backups.service.retention.prune import prune
from backups.service.retention.rule_change import settle_rule
from destinations.models import BackupDestination
from tests.support.archives.stored import daily, there
from tests.support.pages.parsed import Page, page_at
from tests.support.rows import VIEW, a_client, a_destination

pytestmark = pytest.mark.django_db
CHANGE, SEE = "change_backupdestination", "view_backupdestination"
ASKED = "rule-unconfirmed"
PENDING, SAID_IN_FRONT = "rule-pending", "rule-unconfirmed"


@pytest.fixture
def nas() -> BackupDestination:
    destination = a_destination("nas", retention_days=30, min_keep=2)
    settle_rule(destination)
    return destination


def some(destination: BackupDestination, days: int = 10) -> list[BackupExecution]:
    return daily(destination, days, "shop", newest=timezone.now() - timedelta(hours=1))


def form_of(destination: BackupDestination) -> str:
    return f"/admin/destinations/backupdestination/{destination.pk}/change/"


def posted(**fields: Any) -> dict[str, Any]:
    return {"name": "nas", "enabled": "on", "retention_days": "30", "min_keep": "2", "option_path": "nas"} | fields


def shown(page: Page) -> str:
    """Return the digest of what goes, as the form that asks sends it back."""
    (digest,) = page.section("rule").all("input", name="shown")
    return digest["value"]


def days(destination: BackupDestination) -> int | None:
    destination.refresh_from_db()
    return destination.retention_days


def test_a_stricter_rule_shows_what_would_go_before_it_is_saved(nas: BackupDestination) -> None:
    rows = some(nas)
    client = a_client(VIEW, CHANGE)
    page = page_at(client, form_of(nas), posted(retention_days="7"))
    assert ASKED in page.notices()
    would_go = page.section("would-go")
    assert set(would_go.rows()) == {row.pk for row in rows[7:]}
    assert would_go.field("count").value == "3"
    assert set(would_go.fields("because")) == {"it is older than 7 days"}
    assert (days(nas), prune(nas, by="tests").deleted) == (30, [])

    page_at(client, form_of(nas), posted(retention_days="7", confirm="nas", shown=shown(page)))
    assert (days(nas), nas.confirmed_rule["keep_days"], nas.rule_pending_since) == (7, 7, None)
    assert there(rows) == list(range(10))
    assert [entry.execution for entry in prune(nas, by="tests").deleted] == rows[:6:-1]


@pytest.mark.parametrize(
    ("confirmation", "at"),
    [
        ({"confirm": ""}, "confirm"),
        ({"confirm": "NAS"}, "confirm"),
        ({"confirm": "shop"}, "confirm"),
        ({"shown": "0" * 64}, "__all__"),
    ],
)
def test_another_text_or_another_list_saves_nothing(
    nas: BackupDestination, confirmation: dict[str, str], at: str
) -> None:
    some(nas)
    client = a_client(VIEW, CHANGE)
    digest = shown(page_at(client, form_of(nas), posted(retention_days="7")))
    page = page_at(
        client, form_of(nas), posted(retention_days="7", **{"confirm": "nas", "shown": digest} | confirmation)
    )
    assert page.notice(ASKED)["role"] == "alert"
    assert at in page.faults()
    assert days(nas) == 30


def test_nothing_is_asked_where_nothing_more_would_go(nas: BackupDestination) -> None:
    some(nas)
    client = a_client(VIEW, CHANGE)
    for number in ("90", "12"):
        assert ASKED not in page_at(client, form_of(nas), posted(retention_days=number)).notices()
        assert days(nas) == int(number)
    page_at(client, form_of(nas), posted(retention_days="12", enabled=""))
    nas.refresh_from_db()
    assert not nas.enabled


def test_who_may_not_change_destinations_changes_no_rule(nas: BackupDestination) -> None:
    some(nas)
    client = a_client(VIEW, SEE, "delete_backup")
    assert client.post(form_of(nas), posted(retention_days="7", confirm="nas", shown="0" * 64)).status_code == 403
    assert days(nas) == 30


def test_who_may_not_see_backups_is_shown_how_many_and_not_which(nas: BackupDestination) -> None:
    some(nas)
    page = page_at(a_client(CHANGE), form_of(nas), posted(retention_days="7"))
    assert page.notice(ASKED).field("more").value == "3"
    assert page.rows() == []
    assert "shop" not in page.html


def test_a_folder_is_not_changed_while_archives_are_there(nas: BackupDestination) -> None:
    some(nas, 2)
    page = page_at(a_client(VIEW, CHANGE), form_of(nas), posted(option_path="elsewhere"))
    (said,) = page.faults().values()
    assert "2 of its archives would be out of reach" in said
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
    preview, confirm = (
        f"/admin/destinations/backupdestination/{nas.pk}/retention/",
        f"/admin/destinations/backupdestination/{nas.pk}/confirm_rule/",
    )
    assert preview in page_at(client, "/admin/").notice(SAID_IN_FRONT, "nas").links()
    (listed,) = page_at(client, "/admin/destinations/backupdestination/").listed()
    assert "(not confirmed)" in listed.one("td", class_="field-retention").text
    page = page_at(client, preview)
    assert PENDING in page.notices()
    assert set(page.section("would-go").rows()) == {row.pk for row in rows[7:]}
    assert client.get(confirm).status_code == 302
    assert client.post(confirm, {"shown": shown(page), "confirm": "other"}).status_code == 400
    assert client.post(confirm, {"shown": "0" * 64, "confirm": "nas"}).status_code == 409
    assert refused(a_client(VIEW, "run_backup", name="carol"), confirm, shown(page))
    nas.refresh_from_db()
    assert nas.rule_pending_since is not None
    assert PENDING not in page_at(client, confirm, {"shown": shown(page), "confirm": "nas"}).notices()
    assert SAID_IN_FRONT not in page_at(client, "/admin/").notices()
    assert len(prune(nas, by="tests").deleted) == 3


def refused(client: Client, address: str, digest: str) -> bool:
    return client.post(address, {"shown": digest, "confirm": "nas"}).status_code == 403
