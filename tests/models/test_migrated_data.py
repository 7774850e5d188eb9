"""Migrations of data: what an earlier state of the site recorded is what it means now."""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.apps import apps
from django.db import connection
from django.utils import timezone

import backups.migrations
from backups.archive.manifest.document import Entry, Unchecked
from backups.models import BackupExecution
from backups.service.drops.entries import amounts_of
from backups.service.drops.holdings import holdings_of
from tests.service.drops.test_holdings import database, tree
from tests.support.rows import a_copy, a_destination, a_drill, a_manifest, an_execution

pytestmark = pytest.mark.django_db


def run_step(migration: str, function: str) -> None:
    """Run `function` of the migration whose name ends with `migration` on the rows as they are."""
    (path,) = Path(backups.migrations.__path__[0]).glob(f"*_{migration}.py")
    step: Callable[..., Any] = getattr(import_module(f"backups.migrations.{path.stem}"), function)
    step(apps, SimpleNamespace(connection=connection))


def test_a_verdict_for_want_of_a_key_is_withdrawn_and_any_other_stays() -> None:
    message = "x.tar.gz.age cannot be opened: There is no key to open the age file with."
    closed = [an_execution(), an_execution()]
    runs = [
        a_drill(closed[0], verdict="failed", error_message=message),
        a_drill(closed[1], kind="verification", verdict="failed", error_message=message),
    ]
    damaged = an_execution()
    other = a_drill(damaged, verdict="failed", error_message="orders.db is corrupt.")

    run_step("missing_key", "withdraw_verdicts")

    for row in [*closed, damaged, *runs, other]:
        row.refresh_from_db()
    assert [(row.drill, row.verification) for row in closed] == [(None, None), (None, None)]
    assert [(run.status, run.verdict) for run in runs] == [("failed", ""), ("failed", "")]
    assert (damaged.flaw, other.verdict) == ("its drill failed", "failed")
    assert set(BackupExecution.objects.good()) == set(closed)


def test_a_backup_is_damaged_where_a_changed_archive_is_all_that_is_left() -> None:
    now, vault = timezone.now(), a_destination("vault")
    alone, lost, repairable, deleted = (an_execution() for _ in range(4))
    for backup in (alone, lost, repairable, deleted):
        backup.copies.update(damaged_at=now)
    lost.copies.update(missing_at=now)
    a_copy(repairable, vault)
    deleted.copies.update(state="deleted")

    run_step("damaged_data", "without_a_sound_copy")

    assert list(BackupExecution.objects.filter(damaged_at=now)) == [alone]


def test_the_newest_backups_get_the_amounts_that_a_new_one_would_have() -> None:
    entries = (
        database("orders", 9000, orders=400, sqlite_stat1=7),
        Entry("logs.db", 5000, "a" * 64, "database", "logs", not_counted=(Unchecked("", "time was up"),)),
        tree("uploads", 3, 700),
        Entry("tacacs.conf", 50, "b" * 64, "config", "config"),
        Entry("config_export.json", 60, "c" * 64, "config", "config"),
    )
    manifest = a_manifest(contents=entries, absent=())
    good = an_execution(manifest_json=manifest.to_dict())
    foreign = an_execution(manifest_json={"contents": [{"component": "orders"}]})
    failed = an_execution(status="failed")

    run_step("amounts_data", "amounts_of_the_newest")

    for row in (good, foreign, failed):
        row.refresh_from_db()
    assert good.amounts == amounts_of(holdings_of(manifest))
    assert [amount["rows"] for amount in good.amounts or []] == [400, None, None, None]
    assert (foreign.amounts, failed.amounts) == (None, None)
