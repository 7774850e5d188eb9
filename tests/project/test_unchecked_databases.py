"""What cannot be checked or counted is said wherever somebody looks, and is never a number."""

import sqlite3
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from backups.archive.manifest.document import Manifest
from backups.models import BackupExecution
from backups.service.drill.run import drill, verify_backup
from backups.service.drops.holdings import Holding, drops_between, holdings_of
from backups.service.restore.preview.build import preview
from tests.support.call_commands import command
from tests.support.databases.hostile_schemas import computing
from tests.support.pages.parsed import page_at
from tests.support.site_fixtures import BackUp, Declare

pytestmark = pytest.mark.django_db
# deeper than SQLite takes, so that the table is not there for it
DEEP = "1" + "+1" * 20_000


@pytest.fixture
def shop(tmp_path: Path, declare: Declare) -> Path:
    root = tmp_path / "shop"
    root.mkdir()
    computing(root / "orders.db", DEEP)
    declare(
        f'[shop]\nkind = "generic"\nroot = "{root}"\n[shop.components.orders]\nkind = "sqlite"\npath = "orders.db"\n'
    )
    return root


@pytest.fixture
def backup(shop: Path, back_up: BackUp) -> BackupExecution:
    return back_up("shop")


def entry_of(backup: BackupExecution) -> dict[str, Any]:
    (entry,) = backup.manifest_json["contents"]
    return dict(entry)


def test_row_and_manifest_name_the_table_and_the_reason(backup: BackupExecution) -> None:
    assert backup.status == "completed"
    entry = entry_of(backup)
    assert [[item["table"] for item in entry[key]] for key in ("not_checked", "not_counted")] == [["t"], ["t"]]
    assert ("records" in entry, entry["tables"]) == (False, {"plain": 2})
    assert [warning.partition(":")[0] for warning in backup.warnings] == ["orders.db", "orders.db"]
    assert backup.warnings == backup.manifest_json["warnings"]


def test_what_is_not_counted_has_not_dropped(backup: BackupExecution) -> None:
    after = holdings_of(Manifest.from_dict(backup.manifest_json))
    assert after["orders"].uncounted
    before = {
        "orders": Holding(rows=5000, tables={"t": 4998, "plain": 2}, database_bytes=after["orders"].database_bytes)
    }
    assert drops_between(before, after, percent=90) == []


def test_the_versions_of_sqlite_are_recorded(backup: BackupExecution, admin_client: Client) -> None:
    assert backup.manifest_json["system_info"]["sqlite_version"] == sqlite3.sqlite_version
    run = drill(backup, by="tests")
    assert (run.verdict, run.findings["sqlite_version"]) == ("passed", sqlite3.sqlite_version)
    page = page_at(admin_client, reverse("admin:backups_drillexecution_change", args=[run.pk]))
    assert page.field("sqlite_version").value == sqlite3.sqlite_version
    assert len(run.warnings) == len(set(run.warnings)), "what the backup warned of already is not said twice"


def test_the_page_says_unknown_and_no_number(backup: BackupExecution, admin_client: Client) -> None:
    page = page_at(admin_client, reverse("admin:backups_backupexecution_change", args=[backup.pk]))
    (records,) = [field for field in page.all(data_field="records") if field.value == "unknown"]
    assert records.one("summary").text == "unknown"
    (line,) = [line for line in command("showbackup", backup.pk).out.splitlines() if " database " in line]
    assert line.split()[3] == "?"


def test_the_preview_of_a_restore_does_not_claim_what_was_not_counted(backup: BackupExecution) -> None:
    (component,) = preview(backup, "shop").components
    assert component.loss_unknown
    assert component.state == "unreadable"
    assert any("t of orders.db" in note for note in component.notes)


def test_it_is_verified_unpacked_and_drilled_with_the_same_warnings(backup: BackupExecution, tmp_path: Path) -> None:
    assert verify_backup(backup, by="tests").warnings == backup.warnings
    unpacked = command("restore", backup.pk, "--to", tmp_path / "out", "--json").data
    assert unpacked["warnings"] == backup.warnings
    assert set(backup.warnings) <= set(drill(backup, by="tests").warnings)
