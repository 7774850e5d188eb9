"""The time zone of the pages: each user chooses one, and every moment is shown in it, in one style."""

from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from tests.support.pages.admin_pages import LIST, url
from tests.support.pages.parsed import page_at
from tests.support.pages.schedule_pages import LIST as SCHEDULES
from tests.support.pages.schedule_pages import a_schedule
from tests.support.rows import VIEW, a_client, a_drill, a_user, an_execution

pytestmark = pytest.mark.django_db
ADDRESS = "/admin/backups/time_zone/"
TAKEN = datetime(2026, 10, 24, 12, 30, 5, tzinfo=UTC)


def choose(client: Client, zone: str, **fields: str) -> str:
    """Choose the zone and return where that leads to."""
    response = client.post(ADDRESS, {"time_zone": zone, **fields})
    assert response.status_code == 302
    return str(response["Location"])


def test_a_user_reads_all_pages_in_the_zone_of_their_choice(settings: Settings) -> None:
    settings.TIME_ZONE = "Europe/Vienna"
    backup = an_execution("shop", started_at=TAKEN, created_at=TAKEN, completed_at=TAKEN + timedelta(seconds=3))
    bob, carol = a_client(VIEW), a_client(VIEW, name="carol")
    choose(bob, "America/New_York")
    for client, zone, text in (
        (bob, "America/New_York", "2026-10-24 08:30"),
        (carol, "Europe/Vienna", "2026-10-24 14:30"),
    ):
        for address, field in ((LIST, "created_at"), (url(backup), "started_at")):
            page = page_at(client, address)
            assert page.field("time_zone").text == zone
            assert page.field(field).one("time").text == text
    choose(bob, "")
    assert page_at(bob, LIST).field("time_zone").text == "Europe/Vienna"


def test_two_users_of_one_browser_have_a_zone_each() -> None:
    browser = a_client(VIEW)
    choose(browser, "Asia/Tokyo")
    browser.force_login(a_user(VIEW, name="carol"))
    assert page_at(browser, LIST).field("time_zone").text == "UTC"


@pytest.mark.parametrize("zone", ["Europe/Nowhere", "../../etc/passwd", "Europe", "\x00", "ä" * 5_000])
def test_a_zone_that_does_not_exist_is_refused_and_one_that_is_sent_all_the_same_is_ignored(
    zone: str, admin: Client
) -> None:
    page = page_at(admin, ADDRESS, {"time_zone": zone}, status=400)
    assert "time_zone" in page.faults()
    admin.cookies[f"time_zone_{admin.session['_auth_user_id']}"] = zone
    assert page_at(admin, LIST).field("time_zone").text == "UTC"


def test_the_choice_leads_back_to_the_page_it_came_from_and_to_no_other_site(admin: Client) -> None:
    (link,) = (found for found in page_at(admin, LIST).links() if found.startswith(ADDRESS))
    assert page_at(admin, link).action("back")["href"] == LIST
    assert choose(admin, "Asia/Tokyo", next=LIST) == LIST
    for elsewhere in ("https://example.org/", "//example.org/", "javascript:alert(1)"):
        assert choose(admin, "Asia/Tokyo", next=elsewhere) == "/admin/"


def test_the_hour_that_exists_twice_is_shown_with_its_zone(admin: Client, settings: Settings) -> None:
    settings.TIME_ZONE = "Europe/Vienna"
    for hour, text in ((0, "2026-10-25 02:30 CEST"), (1, "2026-10-25 02:30 CET")):
        moment = datetime(2026, 10, 25, hour, 30, tzinfo=UTC)
        backup = an_execution("shop", started_at=moment)
        assert page_at(admin, url(backup)).field("started_at").one("time").text == text


@pytest.mark.parametrize("action", ["delete_archive", "pin", "restore"])
def test_wherever_a_restore_point_is_chosen_its_moment_stands_with_its_age(action: str, admin: Client) -> None:
    an_execution("shop", age=timedelta(days=2))
    backup = an_execution("shop", age=timedelta(days=3))
    a_drill(backup, verdict="passed", seconds=1, bytes=1)
    for address in (url(backup, action), LIST, "/admin/", reverse("admin:backups_instance", args=["shop"])):
        page = page_at(admin, address)
        assert page.content.all("time"), address
        assert all(found.text.startswith("20") and len(found.text) == 16 for found in page.content.all("time"))


def test_schedules_and_the_forms_of_the_admin_show_the_same_style(admin: Client) -> None:
    row = a_schedule()
    assert row.next_run is not None
    text = f"{row.next_run:%Y-%m-%d %H:%M}"
    assert page_at(admin, SCHEDULES).field("next_run").one("time").text == text
    form = page_at(admin, reverse("admin:backups_backupschedule_change", args=[row.pk]))
    assert [found for found in form.all("div", class_="readonly") if found.text == text]
