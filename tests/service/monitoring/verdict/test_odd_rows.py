"""Rows that no usual run writes: a verdict neither fails on them nor takes them for a proof."""

from datetime import timedelta

import pytest
from pytest_django import Settings

from backups.models import BackupExecution, DrillExecution, InstanceState, KeyCheck, KeyState
from backups.service.drill.run import newest_good_backup
from backups.service.monitoring.verdict import facts_of, verdicts
from backups.service.monitoring.verdict.accept import accept_reason
from backups.service.monitoring.verdict.verdicts import today
from tests.support.protected import a_protected_backup
from tests.support.rows import a_drill, an_execution

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def instances(settings: Settings) -> None:
    components = {"orders": {"kind": "sqlite", "path": "orders.db"}}
    settings.BACKUP_INSTANCES = {"shop": {"kind": "generic", "root": "/srv/shop", "components": components}}


def codes() -> set[str]:
    (verdict,) = verdicts(["shop"])
    return {reason.code for reason in verdict.reasons}


def test_the_drill_of_an_adopted_archive_without_a_date_is_no_proof() -> None:
    archive = an_execution("shop", adopted=True)
    BackupExecution.objects.filter(pk=archive.pk).update(started_at=None)
    archive.refresh_from_db()
    dated = an_execution("shop", age=timedelta(hours=1))
    assert newest_good_backup("shop") == dated
    a_drill(archive, verdict="passed")
    (facts,) = facts_of(["shop"])
    assert facts.proof is None
    assert "never-drilled" in codes()


def test_an_acceptance_ends_when_its_reason_gets_worse(settings: Settings) -> None:
    an_execution("shop")
    state, _ = InstanceState.objects.get_or_create(instance="shop")
    InstanceState.objects.filter(pk=state.pk).update(config_problem="orders.db is named twice.")
    accept_reason("shop", "configuration-broken", text="known", until=today(), by="ada")
    (verdict,) = verdicts(["shop"])
    assert "configuration-broken" not in {reason.code for reason in verdict.open_reasons}
    settings.BACKUP_INSTANCES = {"shop": {"kind": "there-is-no-such-kind"}}
    (verdict,) = verdicts(["shop"])
    assert "configuration-broken" in {reason.code for reason in verdict.open_reasons}


@pytest.mark.parametrize("read_at", ["nas", "far"])
def test_the_drill_of_a_plain_copy_shows_of_no_key_that_it_opens_the_encrypted_one(read_at: str) -> None:
    backup = a_protected_backup()
    DrillExecution.objects.update(findings={"destination": read_at})
    KeyCheck.objects.update(by_instance={"shop": KeyState.ELSEWHERE})
    assert sorted(copy.destination.name for copy in backup.copies.all()) == ["far", "nas"]
    assert ("key-not-proven" in codes()) is (read_at == "nas")
