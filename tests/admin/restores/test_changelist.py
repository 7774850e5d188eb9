"""Restores in lists: those that were made, and those that the front page shows."""

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from backups.lib import audit
from backups.models import InstanceState, RestoreExecution
from tests.support.pages.parsed import page_at
from tests.support.pages.restore_pages import MAY, RESTORES, SEE, a_restore, page_of, running
from tests.support.rows import VIEW, a_client, a_user

pytestmark = pytest.mark.django_db


def test_the_front_page_says_which_restart_is_asked_for_and_what_is_being_restored() -> None:
    done, run, now = a_restore("wiki"), running(), timezone.now()
    InstanceState.objects.create(instance="wiki", restart_required_since=now, restart_required_by=done.pk)
    page = page_at(a_client(VIEW, SEE), "/admin/")
    notice = page.notice("restart")
    assert (notice.field("since").value, notice.links()) == (now.isoformat(), [page_of(done)])
    assert page.row("wiki").flags() == ["restart-required"]
    state = page.row("shop").run(run.pk)
    assert (state["data-run"], state["data-live"]) == (run.pk, f"{RESTORES}status/")
    other = page_at(a_client(VIEW, name="carol"), "/admin/")
    assert other.notice("restart").links() == []
    assert RESTORES not in other.html


def test_the_list_shows_what_when_and_by_whom() -> None:
    run, done = running(), a_restore("wiki", components=["orders"])
    client = a_client(VIEW, SEE)
    page = page_at(client, RESTORES)
    row = page.listed_row(done.pk)
    assert (row.run().status, row.run().field("detail").text) == ("completed", "not acknowledged yet")
    assert row.facts("instance", "components", "archive") == {
        "instance": "wiki",
        "components": "orders",
        "archive": str(done.execution),
    }
    assert done.started_at is not None
    assert row.field("created_at").value == done.created_at.isoformat()
    assert [row.one(class_=f"field-{name}").text for name in ("by", "took")] == ["alice", "0 ms"]
    row = page.listed_row(run.pk)
    assert (row.run().status, row.run().field("detail").text) == ("running", "Applying, 70%")
    assert row.facts("instance", "components", "archive") == {
        "instance": "shop",
        "components": "everything",
        "archive": str(run.execution),
    }
    for query, found in (
        ("instance=shop", [run.pk]),
        (f"q={done.pk}", [done.pk]),
        (f"q={run.pk}", [run.pk]),
        ("status__exact=failed", []),
    ):
        assert page_at(client, f"{RESTORES}?{query}").listed_runs() == found


def test_numbers_of_queries_do_not_grow(restored: RestoreExecution) -> None:
    client, user, counts = a_client(VIEW, MAY), a_user(name="carol"), []
    for number in (1, 30):
        for index in range(number):
            a_restore(f"shop{index}")
            audit.note(user, restored, "Looked.")
        counts.append([_queries(client, address) for address in (RESTORES, page_of(restored), "/admin/")])
    assert counts[0] == counts[1]
    # the front page asks for what verdicts are made of, too
    assert max(counts[0]) <= 52


def _queries(client: Client, address: str) -> int:
    with CaptureQueriesContext(connection) as queries:
        assert client.get(address).status_code == 200
    return len(queries)
