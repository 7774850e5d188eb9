"""Coming runs are found by as many queries for one instance as for several that were drilled."""

from collections.abc import Callable

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from backups.models import InstanceState
from backups.service.monitoring.coming import coming_runs
from tests.support.rows import a_drill, an_execution

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("home")]


def test_a_drilled_instance_more_costs_no_query_more(declare: Callable[[str], None], settings: Settings) -> None:
    settings.BACKUP_DRILL_EVERY_DAYS = 7
    names = ["shop", "wiki", "mail"]
    line = '[{0}]\nkind = "generic"\nroot = "/srv/{0}"\ncomponents.a = {{kind = "files", path = "a"}}\n'
    declare("".join(map(line.format, names)))
    counts = []
    for name in names:
        InstanceState.objects.get_or_create(instance=name)
        now = timezone.now()
        a_drill(an_execution(name), verdict="passed", started_at=now, completed_at=now)
        with CaptureQueriesContext(
            connection,
        ) as queries:
            coming_runs()
        counts.append(len(queries))
    assert counts[0] == counts[1] == counts[2]
