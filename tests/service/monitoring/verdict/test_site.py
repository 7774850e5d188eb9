"""Causes that concern the whole site."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone
from pytest_django import Settings

from backups.checks.instances.this_site import check_this_site
from backups.instances.kinds import KINDS
from backups.instances.kinds.backupsite.kind import BackupSite
from backups.models import Heartbeat, InstanceState, KeyCheck
from backups.runs.recovery import heartbeats
from backups.service.monitoring.verdict import Level, site_reasons, verdicts
from backups.service.monitoring.verdict.site import OWN_KIND
from destinations.models import BackupDestination, DestinationTest
from tests.support.rows import a_destination, an_execution

pytestmark = pytest.mark.django_db
SHOP = '[shop]\nkind = "generic"\nroot = "/srv/shop"\ncomponents.orders = {kind = "sqlite", path = "orders.db"}\n'


@pytest.fixture(autouse=True)
def healthy(declare: Callable[[str], None], monkeypatch: pytest.MonkeyPatch) -> None:
    """A site that lacks nothing, without the kind that backs up the site itself."""
    monkeypatch.delitem(KINDS, OWN_KIND)
    declare(SHOP)
    heartbeats.beat("worker x:1", heartbeats.Kind.WORKER, "backups")
    InstanceState.objects.create(instance="shop")
    an_execution()


def test_a_site_that_lacks_nothing_has_no_reason() -> None:
    assert site_reasons(verdicts()) == []


def failed_test(age: timedelta = timedelta()) -> None:
    at = timezone.now() - age
    DestinationTest.objects.create(destination=a_destination(), error="Connection refused.", tested_at=at)


def a_lost_key() -> None:
    KeyCheck.objects.create(destination=a_destination(), next_at=timezone.now(), problem="No key.", hint="Find it.")


@pytest.mark.parametrize(
    ("bring_about", "key", "level"),
    [
        (lambda: Heartbeat.objects.all().delete(), "worker-silent:backups", Level.AT_RISK),
        (lambda: BackupDestination.objects.update(enabled=False), "no-destination", Level.AT_RISK),
        (failed_test, "destination-unreachable:nas", Level.AT_RISK),
        (a_lost_key, "keys-lost:nas", Level.UNPROTECTED),
        # one archive of the shop has 1,004,096 bytes
        (lambda: BackupDestination.objects.update(free_bytes=3_012_287), "destination-nearly-full:nas", Level.AT_RISK),
        (
            lambda: BackupDestination.objects.update(rule_pending_since=timezone.now()),
            "rule-unconfirmed:nas",
            Level.AT_RISK,
        ),
    ],
)
def test_a_cause_is_a_reason_of_its_own(bring_about: Callable[[], object], key: str, level: Level) -> None:
    bring_about()
    (reason,) = site_reasons(verdicts())
    assert (reason.key, reason.level) == (key, level)
    assert reason.text.endswith(".") and reason.hint.endswith(".")


def test_what_is_over_is_no_reason() -> None:
    failed_test(timedelta(hours=2))
    DestinationTest.objects.create(destination=a_destination())
    BackupDestination.objects.update(free_bytes=3_012_288)
    assert site_reasons(verdicts()) == []
    failed_test()
    a_destination().record_backup("completed", timezone.now() + timedelta(seconds=1), stored=True)
    assert site_reasons(verdicts()) == [], "a backup was stored there since"


@pytest.mark.parametrize(
    ("text", "code"),
    [("[shop\n", "instances-file-broken"), ("", "no-instance"), (None, "no-instance")],
    ids=["not TOML", "empty", "missing"],
)
def test_a_site_without_instances_is_unprotected(
    text: str | None, code: str, declare: Callable[[str], None], settings: Settings
) -> None:
    declare(text or "")
    if text is None:
        Path(settings.BACKUP_INSTANCES_FILE).unlink()
    reason = site_reasons(verdicts())[0]
    assert (reason.code, reason.level) == (code, Level.UNPROTECTED)


def test_the_site_itself_has_to_be_backed_up(monkeypatch: pytest.MonkeyPatch, declare: Callable[[str], None]) -> None:
    monkeypatch.setitem(KINDS, OWN_KIND, BackupSite)
    assert [reason.code for reason in site_reasons(verdicts())] == ["own-database-not-backed-up"]
    assert [found.id for found in check_this_site(None, databases=["default"])] == ["backups.W006"]
    assert check_this_site(None) == []
    declare(SHOP + '[site]\nkind = "backupsite"\n')
    InstanceState.objects.create(instance="site")
    assert (site_reasons(verdicts()), check_this_site(None, databases=["default"])) == ([], [])
