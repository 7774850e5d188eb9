"""Housekeeping and lists ask the database as often for many instances as for few."""

import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from backups.models import BackupExecution, BackupSchedule, InstanceState, KeyCheck, RestoreExecution, RetentionPass
from backups.service.keys.check import MOST_AT_ONCE, check_due
from backups.service.monitoring.verdict import verdicts
from backups.service.retention.last_copies import kept_at
from backups.service.retention.plan import plan_prune
from backups.worker.tick import tick
from tests.support.archives.stored import NOW, daily
from tests.support.call_commands import command
from tests.support.rows import Status, a_copy, a_destination, a_manifest, an_execution
from tests.support.site_fixtures import DEMO, TACACS

pytestmark = pytest.mark.django_db
GENERIC = '[{name}]\nkind = "generic"\nroot = "{root}"\ncomponents.orders = {{kind = "files", path = "config"}}\n'


def queries(work: Callable[[], Any]) -> int:
    with CaptureQueriesContext(connection) as found:
        work()
    return len(found)


def a_life(name: str, number: int) -> None:
    """Give an instance what it has after a while: a destination, a schedule, good and bad backups, one that runs."""
    now, where = timezone.now(), a_destination(f"nas-{number}")
    KeyCheck.objects.create(destination=where, next_at=now + timedelta(hours=9))
    RetentionPass.objects.create(destination=where, next_at=now + timedelta(hours=9))
    BackupSchedule.objects.create(
        name=name, instance=name, destination=where, type="interval", expression="hours:24",
        next_run=now + timedelta(hours=9),
    )  # fmt: skip
    state, _ = InstanceState.objects.get_or_create(instance=name)
    manifest = a_manifest(name, config_hash=state.config_hash).to_dict()
    an_execution(name, destination=where, manifest_json=manifest, age=timedelta(hours=2))
    an_execution(name, destination=where, status=Status.FAILED)
    an_execution(name, destination=where, status=Status.RUNNING, heartbeat_at=now, worker="branch:1")
    an_execution(name, destination=where, status=Status.QUEUED, rang_at=now)


@pytest.mark.parametrize("kind", ["generic", "tacacs"])
def test_the_queries_of_a_tick_do_not_grow_with_instances_destinations_and_runs(
    kind: str, home: Path, declare: Callable[[str], None], settings: Settings
) -> None:
    settings.BACKUP_WATCH_DEBOUNCE = 0
    root, counts = shutil.copytree(DEMO, home / "root"), []
    for number in (3, 30):
        names = [f"{kind}{number}-{index}" for index in range(number)]
        text = TACACS.replace("tacacs-hq", "{name}") if kind == "tacacs" else GENERIC
        declare("".join(text.format(name=name, root=root) for name in names))
        tick()  # sees each configuration for the first time
        for index, name in enumerate(names):
            a_life(name, number * 100 + index)
        assert tick() == ""
        counts.append(queries(tick))
        BackupExecution.objects.all().delete()
    assert counts[0] == counts[1] <= 92


def test_keys_are_tried_at_a_few_destinations_in_one_tick(home: Path) -> None:
    for number in range(2 * MOST_AT_ONCE + 1):
        an_execution(destination=a_destination(f"nas-{number}"), encryption="age")
    checked = []
    for _ in range(4):
        assert check_due() == []
        checked.append(KeyCheck.objects.count())
    assert checked == [MOST_AT_ONCE, 2 * MOST_AT_ONCE, 2 * MOST_AT_ONCE + 1, 2 * MOST_AT_ONCE + 1]


def test_the_queries_of_a_retention_plan_do_not_grow_with_backups_that_have_copies_elsewhere(home: Path) -> None:
    counts = []
    for number in (5, 50):
        nas = a_destination(f"nas-{number}", retention_days=2, min_keep=1, established=True)
        vault = a_destination(f"vault-{number}", retention_days=365, min_keep=1, established=True)
        for backup in daily(nas, number, f"shop-{number}"):
            a_copy(backup, vault)
        plan = plan_prune(nas, NOW)
        assert sum(entry.elsewhere for entry in plan.to_delete) == number - 3
        counts.append(queries(lambda nas=nas: plan_prune(nas, NOW)))
    assert counts[0] == counts[1]


def test_the_queries_for_a_rule_elsewhere_do_not_grow_with_backups_that_never_had_a_copy_there(home: Path) -> None:
    counts, vault = [], a_destination("vault", retention_days=365, min_keep=1)
    for number in (5, 50):
        ids = [an_execution(f"shop-{number}", age=timedelta(days=age)).pk for age in range(number)]
        assert kept_at(vault, ids, timezone.now()).keys() == set(ids)
        counts.append(queries(lambda ids=ids: kept_at(vault, ids, timezone.now())))
    assert counts[0] == counts[1]


@pytest.mark.parametrize("options", [[], ["--json"]], ids=["text", "json"])
@pytest.mark.parametrize("name", ["listbackups", "listschedules", "listrestores"])
def test_the_queries_of_a_listing_do_not_grow_with_its_rows(name: str, options: list[str], home: Path) -> None:
    counts = []
    for number in (3, 30):
        for index in range(number):
            a_life(f"shop{number}-{index}", number * 100 + index)
            backup = BackupExecution.objects.filter(status=Status.COMPLETED).first()
            done = RestoreExecution.objects.create(instance="shop", execution=backup, archive_sha256="a" * 64)
            RestoreExecution.objects.create(instance="shop", execution=backup, archive_sha256="a" * 64, undo_of=done)
        counts.append(queries(lambda: command(name, *options)))
    assert counts[0] == counts[1] <= 3


def test_a_listing_of_restores_tells_which_ask_for_a_restart_and_what_undid_them(home: Path) -> None:
    backup = an_execution()
    first, undo, other = (
        RestoreExecution.objects.create(instance=name, execution=backup, archive_sha256="a" * 64)
        for name in ("shop", "shop", "wiki")
    )
    RestoreExecution.objects.filter(pk=undo.pk).update(undo_of=first)
    InstanceState.objects.create(instance="wiki", restart_required_since=timezone.now(), restart_required_by=other.pk)
    InstanceState.objects.create(instance="shop", restart_required_by=first.pk)
    rows = {row["id"]: row for row in command("listrestores", "--json").data}
    assert {pk: row["undone_by"] for pk, row in rows.items()} == {first.pk: [undo.pk], undo.pk: [], other.pk: []}
    assert [pk for pk, row in rows.items() if row["restart_required"]] == [other.pk]


def test_an_instance_is_judged_alike_whether_it_ever_ran_here_or_not(home: Path) -> None:
    for name in ("ran", "adopted"):
        an_execution(name, status=Status.FAILED, age=timedelta(hours=5))
        an_execution(name, age=timedelta(hours=4))
        an_execution(name, status=Status.INTERRUPTED, age=timedelta(hours=1))
    InstanceState.objects.create(instance="ran")
    judged = verdicts(["adopted", "never", "ran"])
    adopted, never, ran = (verdict.facts for verdict in judged)
    assert (adopted.good and adopted.good.instance, ran.good and ran.good.instance) == ("adopted", "ran")
    assert judged[0].level is judged[2].level
    assert adopted.failure is not None
    assert ran.failure is not None
    assert (never.good, never.failure) == (None, None)
