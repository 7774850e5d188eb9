"""The page that says what a restore would change."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django_q.models import OrmQ

from backups.models import ArchiveUse, BackupExecution, InstanceState, RestoreExecution
from tests.support.pages.admin_pages import url
from tests.support.pages.parsed import page_at
from tests.support.pages.restore_pages import MAY
from tests.support.restores.component_restores import change
from tests.support.rows import VIEW, a_client, a_manifest, an_execution

pytestmark = pytest.mark.django_db
MODELS = (ArchiveUse, BackupExecution, InstanceState, LogEntry, OrmQ, RestoreExecution)
Run = Callable[[], BackupExecution]


@pytest.fixture
def client(db: None) -> Client:
    return a_client(VIEW, MAY)


def tree(root: Path) -> dict[str, str]:
    files = (path for path in root.rglob("*") if path.is_file() and not path.name.endswith(("-wal", "-shm")))
    return {str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_it_shows_the_backup_and_what_would_change(backed_up: Run, client: Client, tmp_path: Path) -> None:
    execution = backed_up()
    change(tmp_path / "shop" / "orders.db", "DELETE FROM orders WHERE id <= 500")
    page = page_at(client, url(execution, "restore"))
    assert page.title == "Restore shop?"
    archive = page.section("archive")
    facts = {
        "archive": execution.backup_filename,
        "destination": "nas",
        "instance": "shop",
        "triggered_by": "alice",
        "kind": "manual",
        "archive_sha256": execution.archive_sha256,
        "compressed_size_bytes": str(execution.compressed_size_bytes),
        "drill": "",
    }
    assert archive.facts(*facts) == facts
    assert archive.field("application").text.startswith("backupsite")
    assert archive.field("verified_at").status == "none"
    orders = page.component("orders")
    assert page.notice("loss").status == orders.status == "unknown"
    assert orders.section("tables").row("orders").facts("now", "backup", "difference") == {
        "now": "1000",
        "backup": "1500",
        "difference": "500",
    }
    assert "500 orders rows that are not there now will be back" in orders.field("loss").text


def test_the_loss_stands_at_the_top_in_one_sentence(backed_up: Run, client: Client, tmp_path: Path) -> None:
    execution = backed_up()
    change(tmp_path / "shop" / "orders.db", "INSERT INTO orders (text) VALUES ('coffee'), ('cake')")
    page = page_at(client, url(execution, "restore"))
    loss = page.notice("loss")
    assert loss.status == "loss"
    assert loss.field("loss").text == "At least 2 orders rows will be gone."
    elements = list(page)
    assert elements.index(loss) < elements.index(page.section("archive"))


def test_looking_changes_nothing(backed_up: Run, client: Client, tmp_path: Path) -> None:
    execution = backed_up()
    before = [model.objects.count() for model in MODELS], tree(tmp_path)
    assert client.get(url(execution, "restore")).status_code == 200
    assert ([model.objects.count() for model in MODELS], tree(tmp_path)) == before


def test_the_signature_of_this_site_is_shown_and_needs_no_tick(backed_up: Run, client: Client) -> None:
    page = page_at(client, url(backed_up(), "restore"))
    assert page.field("signature").value == "signed"
    assert page.inputs("accept_unsigned") == []


def test_an_unknown_instance_is_shown(client: Client) -> None:
    page = page_at(client, f"{url(an_execution(), 'restore')}?into=nowhere")
    assert "There is no instance 'nowhere'" in page.message("error")


@pytest.mark.parametrize("damage", ["unlink", "write"])
def test_a_live_database_that_is_gone_or_damaged_is_shown(
    backed_up: Run, client: Client, tmp_path: Path, damage: str
) -> None:
    execution = backed_up()
    database = tmp_path / "shop" / "orders.db"
    if damage == "unlink":
        database.unlink()
    else:
        database.write_bytes(b"no database at all" * 512)
    notice = page_at(client, url(execution, "restore")).component("orders").notice("component")
    assert notice.status == ("missing" if damage == "unlink" else "damaged")
    assert notice.fields("note")[0].startswith(str(database))


def test_a_failed_drill_and_warnings_of_the_backup_are_shown(client: Client) -> None:
    manifest = a_manifest(warnings=("<i>thumbnails</i> were skipped",)).to_dict()
    drill = {"verdict": "failed", "at": "2026-01-02T03:04:05+00:00", "seconds": 1.5, "error": "<b>cut</b>"}
    execution = an_execution(manifest_json=manifest, drill=drill)
    page = page_at(client, url(execution, "restore"))
    assert page.notice("warnings").fields("warning") == ["<i>thumbnails</i> were skipped"]
    assert page.notice("drill-failed").field("message").text == "<b>cut</b>."
    assert page.field("drill").value == "failed"
    assert "<b>cut" not in page.html and "<i>thumbnails" not in page.html


def test_what_the_manifest_says_is_escaped(client: Client) -> None:
    evil = "<script>alert(1)</script>"
    manifest = a_manifest(triggered_by=evil, hostname=evil).to_dict()
    page = page_at(client, url(an_execution(manifest_json=manifest), "restore"))
    assert "<script>alert" not in page.html
    assert page.facts("triggered_by", "hostname") == {"triggered_by": evil, "hostname": evil}


def test_the_number_of_queries_does_not_grow_with_the_components(backed_up: Run, client: Client) -> None:
    execution, counts = backed_up(), []
    for number in (1, 30):
        for _ in range(number):
            an_execution()
            RestoreExecution.objects.create(instance="shop", execution=execution, archive_sha256="", status="failed")
        with CaptureQueriesContext(connection) as queries:
            client.get(url(execution, "restore"))
        counts.append(len(queries))
    assert counts[0] == counts[1] <= 12
