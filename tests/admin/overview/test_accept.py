"""Accepting a reason on the page of an instance, and withdrawing that."""

from datetime import date, timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.urls import reverse

from backups.models import AcceptedReason
from backups.service.monitoring.verdict.accept import LONGEST
from backups.service.monitoring.verdict.verdicts import today
from tests.support.pages.front_page import INDEX
from tests.support.pages.parsed import page_at
from tests.support.rows import VIEW, a_client, an_execution

pytestmark = pytest.mark.django_db
SHOP = reverse("admin:backups_instance", args=["shop"])
ACCEPT, WITHDRAW = (reverse(f"admin:backups_{name}_reason", args=["shop"]) for name in ("accept", "withdraw"))
NEVER = f"{ACCEPT}?reason=never-drilled"


@pytest.fixture(autouse=True)
def at_risk() -> None:
    """The shop is only on this machine, and was never drilled."""
    an_execution("shop")


def accepted(until: date, text: str = "a lab") -> dict[str, str]:
    return {"text": text, "until": until.isoformat()}


def test_a_reason_is_accepted_until_a_day_and_stays_listed_with_the_level() -> None:
    client = a_client(VIEW, "accept_reason")
    until = today() + timedelta(days=40)
    reasons = page_at(client, SHOP).section("reasons")
    assert reasons.row("never-drilled").one(data_action="accept")["href"] == NEVER
    assert page_at(client, NEVER).notice("reason")["data-about"] == "never-drilled"
    for code in ("never-drilled", "only-on-this-machine"):
        page = page_at(client, f"{ACCEPT}?reason={code}", accepted(until))
        assert page.messages() == ["success"]
    row = page.section("reasons").row("never-drilled")
    assert (row.status, row.field("accepted").value) == ("at-risk", until.isoformat())
    assert "a lab" in row.field("accepted").text and "bob" in row.field("accepted").text
    assert page.section("state").field("level").text == f"At risk (accepted until {until})"
    assert page_at(client, INDEX).row("shop").field("level").status == "at-risk"
    # who did it is in Django's history too
    assert LogEntry.objects.filter(user__username="bob", change_message__contains="a lab").count() == 2
    page = page_at(client, WITHDRAW, {"reason": "never-drilled"})
    assert page.messages() == ["success"]
    assert [row.code for row in AcceptedReason.objects.all()] == ["only-on-this-machine"]
    assert page_at(client, WITHDRAW, {"reason": "never-drilled"}).messages() == ["error"]


@pytest.mark.parametrize(
    ("days", "text", "fault"), [(-1, "a lab", "until"), (LONGEST.days + 1, "a lab", "until"), (9, "", "text")]
)
def test_without_a_text_or_for_ever_nothing_is_accepted(days: int, text: str, fault: str) -> None:
    client = a_client(VIEW, "accept_reason")
    response = client.post(NEVER, accepted(today() + timedelta(days=days), text))
    assert (response.status_code, AcceptedReason.objects.exists()) == (400, False)
    assert fault in response.context["form"].errors


def test_a_reason_that_ended_meanwhile_is_not_accepted() -> None:
    client = a_client(VIEW, "accept_reason")
    assert page_at(client, f"{ACCEPT}?reason=overdue", accepted(today())).messages() == ["warning"]
    assert not AcceptedReason.objects.exists()


def test_it_takes_a_permission_of_its_own_and_a_post() -> None:
    client = a_client(VIEW, "run_backup")
    assert page_at(client, SHOP).section("reasons").actions() == set()
    for address in (NEVER, WITHDRAW):
        assert client.post(address, accepted(today()) | {"reason": "never-drilled"}).status_code == 403
    assert client.get(NEVER).status_code == 403
    may = a_client(VIEW, "accept_reason", name="carol")
    assert page_at(may, NEVER).content.actions() >= {"accept", "back"}
    assert may.get(WITHDRAW).status_code == 302
    assert not AcceptedReason.objects.exists()
