"""Copies that are made up for by themselves: how many at once, where, and what a cancel says."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from backups.errors import BackupError
from backups.models import BackupCopy, BackupExecution
from backups.runs import finish
from backups.service.backup.run import backup_now
from backups.service.copying.run import copy_now, run_copy
from backups.service.copying.start import MOST_AT_ONCE, start_copy, start_due
from destinations.models import BackupDestination
from tests.support.rows import a_destination

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def place(small_shop: Path) -> Path:
    return small_shop


@pytest.fixture
def vault(destination: BackupDestination) -> BackupDestination:
    return a_destination("vault")


def lacking(destination: BackupDestination, vault: BackupDestination, number: int) -> list[BackupExecution]:
    """Return so many backups whose copy at the vault is due."""
    backups = [backup_now("shop", [destination, vault], by="tests") for _ in range(number)]
    long_ago = timezone.now() - timedelta(hours=1)
    BackupCopy.objects.filter(destination=vault).update(missing_at=long_ago, next_try_at=long_ago)
    return backups


def test_no_more_are_started_while_those_of_the_tick_before_have_not_ended(
    destination: BackupDestination, vault: BackupDestination
) -> None:
    lacking(destination, vault, MOST_AT_ONCE + 2)
    first = start_due("backups")
    assert len(first) == MOST_AT_ONCE
    assert start_due("backups") == []
    run_copy(first[0].pk)
    assert len(start_due("backups")) == 1


def test_a_queue_whose_worker_is_down_keeps_no_other_one_waiting(
    destination: BackupDestination, vault: BackupDestination, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, *others = lacking(destination, vault, 2)
    BackupExecution.objects.filter(pk=first.pk).update(instance="far")
    queues = {"far": "other"}
    monkeypatch.setattr("backups.service.copying.start.queue_of", lambda name: queues.get(name, "backups"))
    monkeypatch.setattr("backups.service.copying.start.MOST_AT_ONCE", 1)
    (run,) = start_due("backups")
    assert run.copy.execution_id == others[0].pk


def test_a_copy_that_is_cancelled_while_it_waits_is_not_started_again(
    destination: BackupDestination, vault: BackupDestination
) -> None:
    lacking(destination, vault, 1)
    (run,) = start_due("backups")
    finish.cancel(run, by="alice")
    assert start_due("backups", timezone.now() + timedelta(days=2)) == []
    copy = BackupCopy.objects.get(destination=vault)
    assert (copy.condition, copy.next_try_at) == ("missing", None)


def test_a_copy_that_waited_does_not_go_to_a_destination_that_was_disabled_meanwhile(
    destination: BackupDestination, vault: BackupDestination
) -> None:
    backup = backup_now("shop", destination, by="tests")
    run = start_copy(backup, vault, by="tests")
    BackupDestination.objects.filter(pk=vault.pk).update(enabled=False)
    with pytest.raises(BackupError, match="disabled"):
        run_copy(run.pk)
    assert BackupCopy.objects.get(destination=vault).path == ""


def test_the_rule_of_a_destination_holds_for_what_arrives_there_by_copying(
    destination: BackupDestination, vault: BackupDestination, settings: Any
) -> None:
    BackupDestination.objects.filter(pk=vault.pk).update(retention_strategy="simple", keep_count=1, min_keep=1)
    vault.refresh_from_db()
    for _ in range(2):
        copy_now(backup_now("shop", destination, by="tests"), vault, by="tests")
    assert sorted(vault.copies.values_list("state", flat=True)) == ["deleted", "stored"]
    vault.refresh_from_db()
    assert vault.established
