"""The page that says what a restore would change, and the confirmation on it."""

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django_q.models import OrmQ
from pytest_django import Settings

from backups.models import ArchiveUse, BackupExecution, InstanceState, RestoreExecution
from backups.service.backup import run_backup, start_backup
from tests.backups.admin.pages import buttons, raw, text, url
from tests.backups.admin.restoring import MAY, a_restore, confirmed, page_of
from tests.backups.admin.test_actions import archive_of
from tests.backups.factories import VIEW, a_client, a_destination, a_manifest, an_execution
from tests.backups.restores import change
from tests.end_to_end.site import DEMO_INSTANCE

pytestmark = pytest.mark.django_db
Run = Callable[[], BackupExecution]
CANARY = "canary-4711-secret"
MODELS = (ArchiveUse, BackupExecution, InstanceState, LogEntry, OrmQ, RestoreExecution)


@pytest.fixture
def client(db: None) -> Client:
    return a_client(VIEW, MAY)


@pytest.fixture
def tacacs(tmp_path: Path, instances: dict[str, Any]) -> Path:
    """A TACACS+ server whose configuration holds a secret."""
    root = shutil.copytree(DEMO_INSTANCE, tmp_path / "tacacs")
    configuration = root / "config" / "tacacs.conf"
    configuration.write_text(f"{configuration.read_text()}\n[probe]\nshared_secret = {CANARY}\nlevel = one\n")
    instances["tacacs-hq"] = {"kind": "tacacs", "root": str(root), "config": "config/tacacs.conf"}
    return root


def backed_up_tacacs() -> BackupExecution:
    return run_backup(start_backup("tacacs-hq", a_destination(), by="alice").pk)


def tree(root: Path) -> dict[str, str]:
    files = (path for path in root.rglob("*") if path.is_file() and not path.name.endswith(("-wal", "-shm")))
    return {str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_it_shows_the_backup_and_what_would_change(backed_up: Run, client: Client, tmp_path: Path) -> None:
    execution = backed_up()
    change(tmp_path / "shop" / "orders.db", "DELETE FROM orders WHERE id <= 500")
    page = text(client, url(execution, "restore"))
    assert "Restore shop?" in page
    assert f"Archive {execution.backup_filename} at nas Of shop" in page
    assert "Made by alice (manual), backupsite" in page
    assert f"SHA-256 {execution.archive_sha256}" in page
    assert "Nothing is known to be lost." in page
    assert "500 orders rows that are not there now will be back." in page
    assert "orders 1,000 1,500 +500" in page
    assert "Verified not yet Last drill none" in page


def test_the_loss_stands_at_the_top_in_one_sentence(backed_up: Run, client: Client, tmp_path: Path) -> None:
    execution = backed_up()
    change(tmp_path / "shop" / "orders.db", "INSERT INTO orders (text) VALUES ('coffee'), ('cake')")
    page = text(client, url(execution, "restore"))
    assert "If everything below is restored: At least 2 orders rows will be gone." in page
    assert page.index("At least 2 orders rows") < page.index("The backup Archive")


def test_looking_changes_nothing(backed_up: Run, client: Client, tmp_path: Path) -> None:
    execution = backed_up()
    before = [model.objects.count() for model in MODELS], tree(tmp_path)
    assert client.get(url(execution, "restore")).status_code == 200
    assert ([model.objects.count() for model in MODELS], tree(tmp_path)) == before


def test_the_confirmed_restore_is_queued_as_it_was_confirmed(
    backed_up: Run, client: Client, django_capture_on_commit_callbacks: Any
) -> None:
    execution = backed_up()
    with django_capture_on_commit_callbacks(execute=True):
        response = client.post(url(execution, "restore"), confirmed(execution))
    restore = RestoreExecution.objects.get()
    assert (response.status_code, response["Location"]) == (302, page_of(restore))
    assert (restore.instance, restore.execution, restore.components) == ("shop", execution, ["orders"])
    assert (restore.status, restore.triggered_by) == ("queued", "bob")
    assert (restore.archive_sha256, restore.force_invalid_config) == (execution.archive_sha256, False)
    assert OrmQ.objects.count() == 1
    assert "The restore of shop is queued." in text(client, page_of(restore))


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"confirm": "Shop"}, "This is not the name of the instance, shop. Nothing was restored."),
        ({"confirm": ""}, "This field is required."),
        ({"components": []}, "Tick at least one component. Nothing was restored."),
        ({"components": ["users"]}, "users cannot be restored from this archive. Nothing was restored."),
        ({"archive_sha256": "0" * 64}, "This is not the archive that was shown to you."),
        ({"archive_sha256": ""}, "This is not the archive that was shown to you."),
    ],
)
def test_what_is_not_right_queues_nothing(backed_up: Run, client: Client, fields: dict[str, Any], said: str) -> None:
    execution = backed_up()
    response = client.post(url(execution, "restore"), confirmed(execution, **fields))
    page = response.content.decode()
    assert response.status_code == 400
    assert 'role="alert"' in page
    assert said in page
    assert not RestoreExecution.objects.exists()
    assert not OrmQ.objects.exists()


def test_what_was_unticked_stays_so_when_the_page_comes_again(tacacs: Path, client: Client) -> None:
    execution = backed_up_tacacs()
    page = client.post(url(execution, "restore"), confirmed(execution, "devices", confirm="no")).content.decode()
    assert page.count(" checked") == 1
    assert '<input type="checkbox" name="components" value="devices" checked>' in page


def test_configurations_are_compared_key_by_key_without_their_secrets(tacacs: Path, client: Client) -> None:
    execution = backed_up_tacacs()
    configuration = tacacs / "config" / "tacacs.conf"
    configuration.write_text(
        configuration.read_text().replace(CANARY, f"{CANARY}-2").replace("level = one", "level = two")
    )
    said = raw(client, url(execution, "restore"))
    page = text(client, url(execution, "restore"))
    assert "[probe] level two one" in page
    assert "[probe] shared_secret ••••••" in page
    assert CANARY not in said
    assert CANARY not in raw(client, url(execution))


def test_no_secret_of_the_instance_comes_from_a_refused_form_either(tacacs: Path, client: Client) -> None:
    execution = backed_up_tacacs()
    (tacacs / "config" / "tacacs.conf").write_text(f"[server\nsecret = {CANARY}\n")
    page = client.post(url(execution, "restore"), confirmed(execution, "config", confirm="no")).content.decode()
    assert "cannot be compared" in page
    assert CANARY not in page


def test_parts_of_a_configuration_are_restored_alone(tacacs: Path, client: Client) -> None:
    execution = backed_up_tacacs()
    assert "section [probe] with its overrides" in text(client, url(execution, "restore"))
    client.post(url(execution, "restore"), confirmed(execution, "config.section:probe", "config.overrides"))
    assert RestoreExecution.objects.get().components == ["config.section:probe", "config.overrides"]


def test_all_of_a_configuration_and_a_part_of_it_is_refused(tacacs: Path, client: Client) -> None:
    execution = backed_up_tacacs()
    response = client.post(url(execution, "restore"), confirmed(execution, "config", "config.file"))
    assert (response.status_code, RestoreExecution.objects.count()) == (400, 0)
    assert "Tick either config or parts of it" in response.content.decode()


def test_an_invalid_configuration_is_forced_only_by_its_own_tick(tacacs: Path, client: Client) -> None:
    execution = backed_up_tacacs()
    client.post(url(execution, "restore"), confirmed(execution, "config", force_invalid_config="on"))
    assert RestoreExecution.objects.get().force_invalid_config


def test_the_archive_of_another_instance_needs_its_own_tick(backed_up: Run, client: Client) -> None:
    execution = backed_up()
    address = f"{url(execution, 'restore')}?into=wiki"
    page = text(client, address)
    assert "Restore wiki?" in page
    assert "the archive is of instance shop" in page
    assert "Restore the data of shop into wiki (--other-instance)" in page
    refused = client.post(address, confirmed(execution, confirm="wiki"))
    assert (refused.status_code, RestoreExecution.objects.count()) == (400, 0)
    assert "Say that it is to be restored into another instance" in refused.content.decode()
    client.post(address, confirmed(execution, confirm="wiki", allow_other_instance="on"))
    restore = RestoreExecution.objects.get()
    assert (restore.instance, restore.allow_other_instance) == ("wiki", True)


def test_the_signature_of_this_site_is_shown_and_needs_no_tick(backed_up: Run, client: Client) -> None:
    page = text(client, url(backed_up(), "restore"))
    assert "Signature signed by this site (key " in page
    assert "--accept-unsigned" not in page


def test_an_archive_without_a_signature_needs_its_own_tick(backed_up: Run, client: Client, settings: Settings) -> None:
    execution = backed_up()
    archive = archive_of(execution, settings)
    archive.with_name(f"{archive.name}.minisig").unlink()
    assert "Restore it although it is not signed (--accept-unsigned)" in text(client, url(execution, "restore"))
    refused = client.post(url(execution, "restore"), confirmed(execution))
    assert (refused.status_code, RestoreExecution.objects.count()) == (400, 0)
    assert "Say that you know where this archive comes from" in refused.content.decode()
    client.post(url(execution, "restore"), confirmed(execution, accept_unsigned="on"))
    assert RestoreExecution.objects.get().accept_unsigned


def test_an_archive_whose_signature_does_not_fit_is_refused(backed_up: Run, client: Client, settings: Settings) -> None:
    execution, other = backed_up(), backed_up()
    signature, foreign = (
        archive.with_name(f"{archive.name}.minisig")
        for archive in (archive_of(execution, settings), archive_of(other, settings))
    )
    signature.write_bytes(foreign.read_bytes())
    page = text(client, url(execution, "restore"), confirmed(execution, accept_unsigned="on"))
    assert f"Restore failed: {execution.backup_filename} is refused: " in page
    assert not RestoreExecution.objects.exists()


def test_an_unknown_instance_is_told(client: Client) -> None:
    page = text(client, f"{url(an_execution(), 'restore')}?into=nowhere")
    assert "Restore failed: There is no instance 'nowhere'" in page


@pytest.mark.parametrize("damage", ["unlink", "write"])
def test_a_live_database_that_is_gone_or_damaged_is_told(
    backed_up: Run, client: Client, tmp_path: Path, damage: str
) -> None:
    execution = backed_up()
    database = tmp_path / "shop" / "orders.db"
    if damage == "unlink":
        database.unlink()
    else:
        database.write_bytes(b"no database at all" * 512)
    page = text(client, url(execution, "restore"))
    assert f"Now {'missing' if damage == 'unlink' else 'damaged'} {database}" in page


def test_a_failed_drill_and_warnings_of_the_backup_are_told(client: Client) -> None:
    manifest = a_manifest(warnings=("<i>thumbnails</i> were skipped",)).to_dict()
    drill = {"verdict": "failed", "at": "2026-01-02T03:04:05+00:00", "seconds": 1.5, "error": "<b>cut</b>"}
    execution = an_execution(manifest_json=manifest, drill=drill)
    page = raw(client, url(execution, "restore"))
    assert "&lt;i&gt;thumbnails&lt;/i&gt; were skipped" in page
    assert "The last drill of this backup failed:</strong> &lt;b&gt;cut&lt;/b&gt;." in page
    assert "<b>cut" not in page


def test_what_the_manifest_says_is_escaped(client: Client) -> None:
    evil = "<script>alert(1)</script>"
    manifest = a_manifest(triggered_by=evil, hostname=evil).to_dict()
    page = raw(client, url(an_execution(manifest_json=manifest), "restore"))
    assert "<script>alert" not in page
    assert page.count("&lt;script&gt;alert(1)&lt;/script&gt;") == 2


def test_without_an_archive_there_is_nothing_to_restore(client: Client) -> None:
    execution = an_execution(status="failed")
    assert "Restore…" not in buttons(raw(client, url(execution)))
    assert "Restore failed: " in text(client, url(execution, "restore"))


def test_switched_off_there_is_no_button_and_every_way_is_refused(
    backed_up: Run, client: Client, settings: Settings
) -> None:
    settings.BACKUP_WEB_RESTORE = False
    execution = backed_up()
    page = raw(client, url(execution))
    assert "Restore…" not in buttons(page)
    assert f"manage.py restore {execution.pk} --confirm" in page
    assert "BACKUP_WEB_RESTORE" not in raw(a_client(VIEW, name="carol"), url(execution))
    for response in (
        client.get(url(execution, "restore")),
        client.post(url(execution, "restore"), confirmed(execution)),
    ):
        assert response.status_code == 403
        assert f"manage.py restore {execution.pk} --confirm" in response.content.decode()
    assert not RestoreExecution.objects.exists()


def test_the_number_of_queries_does_not_grow_with_the_components(backed_up: Run, client: Client) -> None:
    execution, counts = backed_up(), []
    for number in (1, 30):
        for _ in range(number):
            an_execution()
            RestoreExecution.objects.create(instance="shop", execution=execution, archive_sha256="", status="failed")
        with CaptureQueriesContext(connection) as queries:
            client.get(url(execution, "restore"))
        counts.append(len(queries))
    assert counts[0] == counts[1] <= 10


def test_each_part_of_a_configuration_says_what_it_changes(tacacs: Path, client: Client) -> None:
    execution = backed_up_tacacs()
    file = tacacs / "config" / "tacacs.conf"
    file.write_text(file.read_text().replace("bind_password = ", "bind_password = Hunter-22"))
    page = text(client, url(execution, "restore"))
    assert "section [ldap] with its overrides 1 key would change" in page
    assert "the configuration file 1 key would change" in page
    assert "section [server] with its overrides no key would change" in page
    assert "Hunter" not in page


def test_another_restore_since_the_page_was_shown_ends_the_confirmation(backed_up: Run, client: Client) -> None:
    execution = backed_up()
    shown = raw(client, url(execution, "restore"))
    assert '<input type="hidden" name="changes_seen" value="0-0"' in shown
    data = confirmed(execution)
    a_restore("shop", execution=execution)
    response = client.post(url(execution, "restore"), data)
    assert response.status_code == 400
    assert "Another restore of shop was carried out since this page was shown to you." in response.content.decode()
    assert RestoreExecution.objects.count() == 1
    assert client.post(url(execution, "restore"), confirmed(execution)).status_code == 302


def test_a_restore_that_failed_before_it_changed_anything_ends_no_confirmation(backed_up: Run, client: Client) -> None:
    execution = backed_up()
    data = confirmed(execution)
    a_restore("shop", execution=execution, status="failed")
    assert client.post(url(execution, "restore"), data).status_code == 302
