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
from backups.models import BackupExecution
from tests.support.rows import a_copy, a_destination, a_drill, an_execution

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
