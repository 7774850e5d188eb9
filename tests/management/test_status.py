"""The commands about the verdict: `status`, `acceptreason` and `withdrawreason`."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any, NoReturn

import pytest
from django.db import OperationalError

from backups.instances.kinds import KINDS
from backups.management.commands import status
from backups.models import AcceptedReason, Heartbeat
from backups.runs.recovery import heartbeats
from backups.service.monitoring.verdict.accept import LONGEST
from backups.service.monitoring.verdict.site import OWN_KIND
from backups.service.monitoring.verdict.verdicts import today
from tests.support.call_commands import command, refused
from tests.support.protected import a_protected_backup
from tests.support.rows import an_execution

pytestmark = pytest.mark.django_db
SHOP = '[shop]\nkind = "generic"\nroot = "/srv/shop"\ncomponents.orders = {kind = "sqlite", path = "orders.db"}\n'


@pytest.fixture(autouse=True)
def shop(declare: Callable[[str], None], monkeypatch: pytest.MonkeyPatch) -> None:
    # that the site itself is not backed up is a reason of its own
    monkeypatch.delitem(KINDS, OWN_KIND)
    declare(SHOP)
    heartbeats.beat("worker x:1", heartbeats.Kind.WORKER, "backups")


@pytest.mark.parametrize("name", [(), ("shop",)], ids=["all", "one"])
@pytest.mark.parametrize(
    ("bring_about", "code", "word", "level"),
    [
        (a_protected_backup, 0, "OK", "protected"),
        (an_execution, 1, "WARNING", "at-risk"),
        (lambda: an_execution(age=timedelta(days=2)), 2, "CRITICAL", "unprotected"),
    ],
    ids=["protected", "at-risk", "unprotected"],
)
def test_exit_code_and_first_line_are_those_of_a_nagios_plug_in(
    bring_about: Callable[[], Any], code: int, word: str, level: str, name: tuple[str, ...]
) -> None:
    bring_about()
    ended = command("status", *name)
    first, *rest = ended.out.splitlines()
    assert (ended.code, ended.err, first.startswith(f"BACKUPS {word}: "), len(first) < 200) == (code, "", True, True)
    # text | data for graphs, which stand in the first line only
    assert first.count("|") == 1 and not any("|" in line for line in rest)
    graphed = dict(one.split("=") for one in first.partition(" | ")[2].split())
    assert set(graphed) >= ({"age"} if name else {"protected", "at_risk", "unprotected"})
    found = command("status", *name, "--json")
    assert (found.code, found.data["level"], found.data["instances"][0]["level"]) == (code, level, level)
    # each reason and what to do about it
    reasons = [reason["key"] for reason in found.data["instances"][0]["reasons"]]
    assert [line.split(": ")[2] for line in rest[::2]] == reasons
    assert all(line.startswith("    ") for line in rest[1::2])


def test_what_concerns_the_whole_site_counts_without_a_name() -> None:
    a_protected_backup()
    Heartbeat.objects.all().delete()
    ended = command("status")
    assert (ended.code, "worker-silent" in ended.out) == (1, True)
    assert command("status", "shop").code == 0


@pytest.mark.parametrize("options", [(), ("--json",)], ids=["text", "json"])
def test_it_is_unknown_where_nothing_can_be_said(options: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    ended = command("status", "shoop", *options)
    assert (ended.code, "There is no instance 'shoop'" in ended.out) == (3, True)

    def fail(names: object) -> NoReturn:
        raise OperationalError("connection refused")

    monkeypatch.setattr(status, "verdicts", fail)
    ended = command("status", *options)
    assert (ended.code, ended.err) == (3, "")
    assert "unknown" in ended.out.lower()


def test_an_accepted_reason_stays_listed_with_its_end_and_withdrawing_ends_it() -> None:
    an_execution()
    until = today() + timedelta(days=30)
    for code in ("only-on-this-machine", "never-drilled"):
        done = command("acceptreason", "shop", code, "--until", until, "--text", "a lab", "--json")
        assert (done.code, done.data["key"], done.data["accepted"]["until"]) == (0, code, until.isoformat())
    ended = command("status", "shop")
    assert ended.code == 1, "no level rises by accepting"
    assert f"(accepted until {until})" in ended.out.splitlines()[0]
    assert "a lab" in ended.out
    assert command("withdrawreason", "shop", "never-drilled").code == 0
    (found,) = command("status", "shop", "--json").data["instances"]
    assert [(one["key"], one["accepted"] is None) for one in found["reasons"]] == [
        ("only-on-this-machine", False),
        ("never-drilled", True),
    ]
    assert (found["label"], found["accepted_until"]) == ("At risk", None)


@pytest.mark.parametrize(
    ("instance", "code", "days", "text", "named"),
    [
        ("shop", "overdue", 9, "a lab", "has no reason 'overdue' now"),
        ("shoop", "never-drilled", 9, "a lab", "no instance 'shoop'"),
        ("shop", "never-drilled", -1, "a lab", "cannot be accepted until"),
        ("shop", "never-drilled", LONGEST.days + 1, "a lab", "cannot be accepted until"),
        ("shop", "never-drilled", 9, "  ", "says nowhere why"),
        ("shop", "never-drilled", 9, "x" * 501, "longer than 500"),
    ],
)
def test_what_cannot_be_accepted_is_refused(instance: str, code: str, days: int, text: str, named: str) -> None:
    an_execution()
    until = today() + timedelta(days=days)
    assert named in refused("acceptreason", instance, code, "--until", until, "--text", text)
    assert "Accepted are: none." in refused("withdrawreason", "shop", "never-drilled")
    assert not AcceptedReason.objects.exists()
