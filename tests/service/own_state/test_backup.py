"""What a backup of this site itself holds, and what it does not."""

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from django.contrib.sessions.models import Session
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from backups.instances.kinds.backupsite.left_out import LEFT_OUT
from backups.models import BackupExecution, Heartbeat
from backups.runs.recovery import heartbeats
from backups.service.archives.extract import extract
from backups.service.backup.run import backup_now
from backups.service.drill.run import drill
from backups.service.keys.recovery_kit import recovery_kit
from destinations.models import BackupDestination
from tests.support.archives.age_files import IDENTITY, identity_file
from tests.support.call_commands import command
from tests.support.rows import a_user

pytestmark = pytest.mark.django_db(transaction=True)
KEYS = {"secret_key", "secrets_key", "signing.key"}
WHOLE = {"database.sqlite3", "settings.json", "instances.toml"}


@pytest.fixture
def open_here(tmp_path: Path, settings: Settings) -> None:
    """Let this host open what the site encrypts."""
    settings.BACKUP_ENCRYPTION_IDENTITY_FILE = [str(identity_file(tmp_path, IDENTITY))]


@pytest.mark.usefixtures("open_here")
def test_an_archive_has_the_keys_where_it_is_encrypted_and_only_there(
    own_site: Path, destination: BackupDestination, tmp_path: Path
) -> None:
    plain = BackupDestination(name="usb", type="local", encryption="off", created_by="tests")
    plain.configure({})
    plain.save()
    backup = backup_now("site", [destination, plain], by="tests")
    found = {}
    for copy in backup.copies.all():
        path = own_site / "backups" / copy.destination.name / copy.path
        found[copy.destination.name] = extract(path, tmp_path / copy.destination.name, by="tests").manifest
    assert {entry.file for entry in found["nas"].contents} == WHOLE | KEYS
    assert {entry.file for entry in found["usb"].contents} == WHOLE
    assert {left.path for left in found["usb"].left_out} == KEYS
    assert [warning for warning in found["usb"].warnings if "secrets_key" in warning]
    for name in KEYS:
        assert (tmp_path / "nas" / name).read_bytes() == (own_site / name).read_bytes()
        assert not (tmp_path / "usb" / name).exists()
    alone = backup_now("site", plain, by="tests")
    assert {entry["file"] for entry in alone.manifest_json["contents"]} == WHOLE, "the row says what the archive has"


@pytest.mark.usefixtures("open_here")
def test_sessions_messages_and_secrets_of_the_environment_are_left_out(
    archive: Path, own_site: Path, tmp_path: Path, back_up: Callable[..., BackupExecution],
    monkeypatch: pytest.MonkeyPatch, settings: Settings,
) -> None:  # fmt: skip
    Session.objects.create(session_key="s" * 32, session_data="who-is-it", expire_date=timezone.now())
    heartbeats.beat("worker x:1", Heartbeat.Kind.WORKER, "backups")
    settings.BACKUP_SITE_VARIABLES = ["ALLOWED_HOSTS", "DATABASE_URL", "SECRET_KEY", "BACKUP_MONITORING_TOKEN", "DEBUG"]
    monkeypatch.setenv("ALLOWED_HOSTS", "backup.example.org")
    monkeypatch.setenv("DATABASE_URL", "postgres://site:hunter22@db/site")
    monkeypatch.setenv("SECRET_KEY", "not-to-be-told")
    monkeypatch.setenv("BACKUP_MONITORING_TOKEN_FILE", "/run/secrets/token")
    monkeypatch.delenv("DEBUG", raising=False)
    path = own_site / "backups" / "nas" / back_up("site").backup_path
    assert path != archive
    extract(path, tmp_path / "out", by="tests")
    content = b"".join(file.read_bytes() for file in (tmp_path / "out").iterdir())
    for secret in (b"s" * 32, b"who-is-it", b"hunter22", b"not-to-be-told"):
        assert secret not in content
    with closing(sqlite3.connect(tmp_path / "out" / "database.sqlite3")) as database:
        assert not any(database.execute(f"SELECT 1 FROM {table}").fetchone() for table in LEFT_OUT)
        statuses = [status for (status,) in database.execute("SELECT status FROM backup_executions ORDER BY 1")]
    assert statuses == ["completed", "running"], "its own row too, as it was then"
    told = json.loads((tmp_path / "out" / "settings.json").read_bytes())
    assert {one["name"]: (one["value"], one["file"], one["secret"]) for one in told["variables"]} == {
        "ALLOWED_HOSTS": ("backup.example.org", "", False),
        "BACKUP_MONITORING_TOKEN": ("", "/run/secrets/token", True),
        "DATABASE_URL": ("", "", True),
        "SECRET_KEY": ("", "", True),
    }
    assert (told["database"], "backups.0001_initial" in told["migrations"]) == ("sqlite", True)


@pytest.mark.usefixtures("open_here")
def test_it_is_drilled_and_has_a_recovery_kit_as_any_other(archive: Path) -> None:
    backup = BackupExecution.objects.get()
    assert backup.backup_filename == archive.name
    run = drill(backup, by="tests")
    assert (run.verdict, run.warnings, run.findings["databases"]) == ("passed", [], 1)
    kit = recovery_kit("site")
    assert "restoresite" in kit
    assert archive.name in kit


def test_no_restore_of_a_running_site_replaces_the_site(archive: Path) -> None:
    backup = BackupExecution.objects.get()
    ended = command("restore", backup.pk, "--confirm")
    assert (ended.code, "restoresite" in ended.err) == (1, True)
    user = a_user()
    user.is_superuser = True
    user.save()
    client = Client()
    client.force_login(user)
    for name in ("restore", "change"):
        page = client.get(reverse(f"admin:backups_backupexecution_{name}", args=[backup.pk]))
        assert page.status_code == 200
        assert ("restoresite" in page.text) is (name == "restore")
    assert client.get(reverse("admin:backups_instance", args=["site"])).status_code == 200
    assert not BackupExecution.objects.filter(kind="safety").exists()
    assert archive.exists()
