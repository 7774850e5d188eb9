"""Stages of a restore under the names of another release."""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

import pytest
from django.apps import apps
from django.db import connection
from django.utils import timezone

from backups import migrations
from backups.models import RestoreExecution
from backups.runs.queue.ownership import this_worker
from backups.service.restore.ending.settle import recover_dead
from tests.support.restores.instance_restores import queue
from tests.support.site_fixtures import BackUp

pytestmark = pytest.mark.django_db
Status = RestoreExecution.Status


@pytest.mark.parametrize(("stage", "started"), [("safety", False), ("applying", True), ("of another release", True)])
def test_a_dead_restore_has_its_service_started_unless_it_was_not_stopped_yet(
    stage: str, started: bool, shop: Path, home: Path, back_up: BackUp, declare: Callable[[str], None]
) -> None:
    backup = back_up("shop")
    log = home / "hooks.log"
    hook = f'[shop.hooks]\nafter_restore = ["sh", "-c", "echo started >> {log}"]\n'
    declare(f"{(home / 'instances.toml').read_text()}{hook}")
    restore = queue(backup)
    dead = {"worker": this_worker(), "process": "boot/ns/1/2", "started_at": timezone.now(), "stage": stage}
    assert restore.transition(Status.QUEUED, status=Status.RUNNING, **dead)
    assert recover_dead(restore, "Its process died.")
    restore.refresh_from_db()
    assert (restore.status, log.exists()) == ("interrupted", started)


def test_rows_get_the_new_name_of_the_stage_and_the_old_one_back() -> None:
    name = next(module.name for module in iter_modules(migrations.__path__) if module.name.endswith("_restore_stage"))
    module = import_module(f"backups.migrations.{name}")
    facts = {"instance": "shop", "archive_file": "/a.tar.gz", "archive_sha256": "0" * 64, "triggered_by": "tests"}
    rows = {
        stage: RestoreExecution.objects.create(stage=stage, timeline=[["applying", "a"], [stage, "b"]], **facts)
        for stage in ("proving", "finishing")
    }
    editor = connection.schema_editor(atomic=False)

    def found() -> list[tuple[str, str]]:
        for row in rows.values():
            row.refresh_from_db()
        return [(row.stage, row.timeline[1][0]) for row in rows.values()]

    module.rename(apps, editor)
    assert found() == [("verifying data", "verifying data"), ("finishing", "finishing")]
    module.rename_back(apps, editor)
    assert found() == [("proving", "proving"), ("finishing", "finishing")]
