"""A schedule whose cadence and scope change at once follows the new cadence for every instance."""

from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django import Settings

from backups.service.automation.by_hand import edit
from backups.service.schedules.planning import next_runs
from tests.support.pages.schedule_pages import a_schedule

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _instances(settings: Settings, tmp_path: object) -> None:
    table = {"kind": "generic", "root": str(tmp_path), "components": {"orders": {"kind": "sqlite", "path": "o.db"}}}
    settings.BACKUP_INSTANCES = {"shop": table, "wiki": table}


def test_the_first_instance_does_not_keep_the_slot_of_the_old_cadence() -> None:
    far = timezone.now() + timedelta(days=20)
    row = a_schedule("nightly", instance="shop", expression="0 0 1 * *", next_run=far)
    row.scope, row.instance, row.expression = "all", "", "*/5 * * * *"
    edit(row, ["scope", "instance", "expression"])
    assert {part.next_run for part in row.parts.all()} == set(next_runs(row, 1))
