"""`quickstart --demo-history`: believable rows, and real archives where the rows say that there are some."""

from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone
from pytest_django import Settings

from backups.errors import BackupError
from backups.management.quickstart import demo_history
from backups.models import BackupCopy, BackupExecution, BackupSchedule, DrillExecution
from backups.service.monitoring.trends.days import Outcome, days_of
from backups.service.monitoring.verdict import verdicts
from tests.support.rows import a_destination, an_execution

pytestmark = pytest.mark.django_db


@pytest.fixture
def empty_site(home: Path, settings: Settings) -> Path:
    settings.BACKUP_INSTANCES = None
    settings.BACKUP_INSTANCES_FILE = home / "new" / "instances.toml"
    settings.BACKUPSITE_HOME = home
    return home


def test_the_history_is_rows_only_and_says_so(empty_site: Path) -> None:
    names = demo_history.names_of(8)
    assert demo_history.describe_instances(8).endswith("with 8 demo instances")
    demo_history.make_history(names, a_destination("local"))
    rows = BackupExecution.objects.all()
    assert {row.instance for row in rows} == set(names)
    assert {row.comment for row in rows} == {demo_history.COMMENT}
    assert not rows.stored().exists()
    assert set(BackupCopy.objects.values_list("state", flat=True)) == {"deleted"}
    assert BackupSchedule.objects.enabled().count() == 8
    assert DrillExecution.objects.exclude(execution__status="completed").count() == 0
    days = days_of(names, timezone.now())
    assert {day.outcome for name in names for day in days[name]} >= {Outcome.GOOD, Outcome.PROVEN, Outcome.FAILED}
    assert rows.earliest("created_at").created_at < timezone.now() - timedelta(days=59)
    # of the fourth all of the last nights failed, so it has no real backup either
    assert demo_history.backed_up(names) == [name for name in names if name != names[3]]


@pytest.mark.parametrize("count", [0, 1001])
def test_a_number_that_makes_no_demo_is_refused(count: int, empty_site: Path) -> None:
    with pytest.raises(BackupError, match=f"cannot have {count} instances"):
        demo_history.describe_instances(count)
    assert list(empty_site.rglob("instances.toml")) == [empty_site / "instances.toml"]


def test_a_site_that_is_in_use_gets_no_made_up_history(empty_site: Path) -> None:
    an_execution()
    with pytest.raises(BackupError, match="This site is in use"):
        demo_history.describe_instances(3)
    assert list(empty_site.rglob("instances.toml")) == [empty_site / "instances.toml"]


def test_one_instance_of_several_is_protected(empty_site: Path) -> None:
    names = demo_history.names_of(3)
    demo_history.describe_instances(3)
    destination = a_destination("local")
    for name in names:
        an_execution(name, destination=destination)
    demo_history.make_history(names, destination)
    assert [verdict.level for verdict in verdicts(names)] == ["at-risk", "protected", "at-risk"]
