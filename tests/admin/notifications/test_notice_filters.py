"""The filters of the list of notices."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from backups.models import Notice
from backups.notifications.events import EVENTS
from tests.support.pages.parsed import page_at

pytestmark = pytest.mark.django_db
LIST = "/admin/backups/notice/"


def a_notice(event: str, *, code: str, ended: bool = False, hours: int = 0) -> Notice:
    at = timezone.now() - timedelta(hours=hours)
    said = {"instance": "shop", "event": event, "level": EVENTS[event].usual, "text": f"This is {code}."}
    return Notice.objects.create(
        code=code, since=at, opened_at=at, seen_at=at, ended_at=at if ended else None, announced_at=at, **said
    )


@pytest.fixture
def client(client: Client) -> Client:
    client.force_login(User.objects.create_superuser("alice"))
    return client


def test_each_event_can_be_chosen_and_shows_its_notices_alone(client: Client) -> None:
    late, failed = (a_notice(event, code=event) for event in ("late", "failed"))
    assert set(page_at(client, LIST).filter_links("event")) == set(EVENTS)
    page = page_at(client, f"{LIST}?event=late")
    assert (late.text in page.html, failed.text in page.html) == (True, False)


def test_the_choices_of_the_event_are_not_read_from_the_notices(client: Client) -> None:
    a_notice("late", code="late")
    with CaptureQueriesContext(connection) as queries:
        client.get(LIST)
    assert not [query["sql"] for query in queries if 'DISTINCT "backup_notices"."event"' in query["sql"]]


def test_notices_are_sorted_by_their_state(client: Client) -> None:
    ended, open_ = a_notice("late", code="old", ended=True), a_notice("failed", code="new", hours=1)
    pages = [page_at(client, f"{LIST}?o={order}").html for order in ("4", "-4")]
    assert [page.index(open_.text) < page.index(ended.text) for page in pages] == [True, False]
