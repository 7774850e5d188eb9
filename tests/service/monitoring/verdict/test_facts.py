"""Facts and verdicts of real rows."""

from datetime import timedelta
from typing import Any

import pytest
from pytest_django import Settings

from backups.service.monitoring.verdict import Level, verdicts
from tests.support.rows import an_execution

pytestmark = pytest.mark.django_db
HOURS = timedelta(hours=1)


@pytest.fixture(autouse=True)
def instances(settings: Settings) -> dict[str, Any]:
    components = {"orders": {"kind": "sqlite", "path": "orders.db"}}
    settings.BACKUP_INSTANCES = {
        name: {"kind": "generic", "root": f"/srv/{name}", "components": components} for name in ("shop", "wiki")
    }
    return settings.BACKUP_INSTANCES


def codes(name: str = "shop") -> tuple[Level, list[str]]:
    (verdict,) = verdicts([name])
    return verdict.level, [reason.key for reason in verdict.reasons]


def test_a_safety_backup_is_never_the_good_one() -> None:
    an_execution("shop", kind="safety")
    assert "never-backed-up" in codes()[1]
    an_execution("shop", age=30 * HOURS)
    an_execution("shop", kind="safety")
    assert "overdue" in codes()[1]
