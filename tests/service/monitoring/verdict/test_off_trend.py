"""What is off its trend is a reason of its own, beside what is gone, and without a query of its own."""

from collections.abc import Callable

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from backups.service.drops.episodes import confirm_drop
from backups.service.monitoring.verdict import verdicts
from tests.service.drops.test_off_trend import GROWN, SHRUNK
from tests.support.drops import HOUR, LEFT, held

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def shop(declare: Callable[[str], None]) -> None:
    declare('[shop]\nkind = "generic"\nroot = "/srv"\n')


def test_each_component_off_its_trend_is_a_reason_until_it_is_confirmed() -> None:
    held(9 * HOUR)
    with CaptureQueriesContext(connection) as without:
        verdicts(["shop"])
    night = held(HOUR, drops=[LEFT | {"component": "users"}, GROWN, SHRUNK | {"component": "logs"}])
    with CaptureQueriesContext(connection) as queries:
        (verdict,) = verdicts(["shop"])
    found = {reason.key: reason for reason in verdict.reasons}
    assert {"data-dropped", "records-off-trend:orders", "records-off-trend:logs"} <= found.keys()
    assert "users: 400 rows became none." in found["data-dropped"].text
    assert "1,200 rows became 12,000 rows" in found["records-off-trend:orders"].text
    assert found["records-off-trend:logs"].since == night.started_at
    # of any drop: whether a later backup is whole again, and the newest one in full
    assert len(queries) <= len(without) + 2
    confirm_drop(night, by="alice", components=["users", "orders"])
    keys = [reason.key for reason in verdicts(["shop"])[0].reasons]
    assert [key for key in keys if key.startswith(("data", "records"))] == ["records-off-trend:logs"]
