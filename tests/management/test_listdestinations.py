"""listdestinations, and the system checks, ask the database the same number of times however much there is."""

import pytest
from django.core.checks import run_checks
from django.db import connection
from django.test.utils import CaptureQueriesContext

from destinations.models import BackupDestination
from tests.support.archives.stored import daily
from tests.support.call_commands import command
from tests.support.rows import a_copy, a_destination

pytestmark = pytest.mark.django_db


def test_every_destination_is_listed_with_its_own_facts_in_five_queries(destination: BackupDestination) -> None:
    for backup in daily(destination, 2, "app")[:1]:
        a_copy(backup, a_destination("offsite"))
        a_copy(backup, a_destination("lost"), missing_at=backup.completed_at)
    daily(destination, 1, "shop")
    a_destination("empty")
    command("testdestination", "nas")
    with CaptureQueriesContext(connection) as queries:
        listed = {one["name"]: one for one in command("listdestinations", "--json").data}
    assert len(queries) <= 5, [query["sql"] for query in queries]
    assert {name: (one["archives"], one["missing"]) for name, one in listed.items()} == {
        "nas": (3, 0), "offsite": (1, 0), "lost": (0, 1), "empty": (0, 0),
    }  # fmt: skip
    assert [each["instance"] for each in listed["nas"]["instances"]] == ["app", "shop"]
    assert listed["nas"]["last_test"]["passed"] and listed["offsite"]["last_test"] is None
    assert listed["nas"] == {
        key: value for key, value in command("showdestination", "nas", "--json").data.items() if key != "warnings"
    }


def test_one_run_of_checks_looks_at_each_table_once_and_the_next_run_looks_again(home: object) -> None:
    for _ in range(2):
        with CaptureQueriesContext(connection) as queries:
            run_checks(databases=["default"])
        looked = [query["sql"] for query in queries if "backup_schedules" in query["sql"] and "LIMIT 1" in query["sql"]]
        described = [query["sql"] for query in queries if query["sql"].startswith("PRAGMA table_xinfo")]
        assert len(described or looked) == len({*(described or looked)}) > 0
