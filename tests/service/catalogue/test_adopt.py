"""Archives without a record are adopted with what their manifests say."""

import hashlib
import json
import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.utils import timezone
from pytest_django import Settings

from backups.archive.age import generate_identity
from backups.models import BackupExecution
from backups.service.archives.signatures import signature_state
from backups.service.catalogue.sync import scan_destination
from backups.service.drill.run import verify_backup
from backups.service.monitoring.protection import protections
from backups.service.retention.plan import plan_prune
from backups.service.retention.prune import prune
from destinations.models import BackupDestination
from tests.support.archives.crafted import SERVER_ENCRYPTED, SERVER_PASSPHRASE, SERVER_PLAIN
from tests.support.archives.imported import PLACE, paths, run
from tests.support.archives.stored import DAY, NOW, an_archive, daily, file_of, folder_of, put
from tests.support.site_fixtures import BackUp

pytestmark = pytest.mark.django_db


def test_an_unknown_archive_is_adopted_with_everything_its_manifest_says(
    destination: BackupDestination, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "backups")
    data = an_archive(backup_type="scheduled", triggered_by="cron", warnings=("one was open",))
    put(destination, PLACE, data)
    run(destination)
    row = BackupExecution.objects.get()
    assert (row.status, row.stage, row.instance, row.kind, row.adopted) == (
        "completed",
        "done",
        "app",
        "scheduled",
        True,
    )
    assert row.created_at == row.started_at == row.completed_at == NOW
    assert (row.backup_path, row.backup_filename) == (PLACE, PLACE.rpartition("/")[2])
    assert (row.archive_sha256, row.compressed_size_bytes) == (hashlib.sha256(data).hexdigest(), len(data))
    assert (row.compression, row.encryption, row.files_included) == ("gzip", "", 1)
    assert row.manifest_json["backup_metadata"]["instance_name"] == "app"
    assert row.size_bytes == row.manifest_json["total_size_bytes"] > 0
    assert (row.triggered_by, row.warnings, row.comment) == ("cron", ["one was open"], "found at the destination")
    assert BackupDestination.objects.get().established
    assert f"backup.adopted backup={row.pk} instance=app destination=nas" in caplog.text
    verify_backup(row, by="tests")


def test_the_whole_catalogue_is_rebuilt_on_an_empty_database(
    tacacs_root: Path, destination: BackupDestination, back_up: BackUp
) -> None:
    made = [back_up(kind=kind) for kind in ("manual", "scheduled", "safety")]
    others = daily(destination, 3, "wiki")
    columns = (
        "instance", "kind", "status", "backup_path", "backup_filename", "archive_sha256", "archive_blake2b",
        "compression", "encryption",
        "size_bytes", "compressed_size_bytes", "files_included", "manifest_json", "started_at", "triggered_by",
    )  # fmt: skip
    ours = BackupExecution.objects.filter(pk__in=[row.pk for row in made]).order_by("backup_path")
    before = list(ours.values(*columns))
    BackupExecution.objects.all().delete()
    BackupDestination.objects.all().delete()

    call_command("adddestination", "again", "--type=local", "--option=path=nas")
    call_command("importbackups", "again")

    rows = BackupExecution.objects.filter(instance="tacacs-hq").order_by("backup_path")
    assert list(rows.values(*columns)) == before
    assert sorted(paths(list(BackupExecution.objects.filter(instance="wiki")))) == sorted(paths(others))
    assert set(BackupExecution.objects.values_list("adopted", flat=True)) == {True}
    for row in rows:
        verify_backup(row, by="tests")


@pytest.mark.parametrize("key", ["passphrase", "identity"])
def test_encrypted_archives_are_adopted_with_the_key_that_opens_them(
    tacacs_root: Path, destination: BackupDestination, back_up: BackUp, settings: Settings, key: str, tmp_path: Path
) -> None:
    identity, recipient = generate_identity()
    (tmp_path / "identity").write_text(identity)
    keys = {
        "passphrase": {"BACKUP_ENCRYPTION_PASSPHRASE": "correct horse"},
        "identity": {
            "BACKUP_ENCRYPTION_RECIPIENTS": [recipient],
            "BACKUP_ENCRYPTION_IDENTITY_FILE": [str(tmp_path / "identity")],
        },
    }[key]
    before = {name: getattr(settings, name) for name in keys}
    set_all(settings, keys)
    made = back_up()
    BackupExecution.objects.all().delete()
    set_all(settings, before)
    ((path, why),) = run(destination).refused
    assert path == made.backup_path and "cannot be opened" in why
    set_all(settings, keys)
    (row,) = run(destination).adopted
    assert (row.encryption, row.backup_filename[-4:]) == ("age", ".age")
    assert row.archive_blake2b == made.archive_blake2b
    assert signature_state(row).state == "signed"


def set_all(settings: Settings, values: dict[str, Any]) -> None:
    for name, value in values.items():
        setattr(settings, name, value)


def test_a_signature_belongs_to_its_archive_and_one_that_does_not_fit_is_refused(
    tacacs_root: Path, destination: BackupDestination, back_up: BackUp
) -> None:
    made, other = back_up(), back_up()
    assert scan_destination(destination).others == []
    signature = folder_of(destination) / f"{made.backup_path}.minisig"
    signature.write_bytes((folder_of(destination) / f"{other.backup_path}.minisig").read_bytes())
    BackupExecution.objects.all().delete()
    done = run(destination)
    assert paths(done.adopted) == [other.backup_path]
    assert [path for path, _ in done.refused] == [made.backup_path]
    file_of(made).unlink()
    assert [file.path for file in scan_destination(destination).others] == [f"{made.backup_path}.minisig"]


def test_adopted_archives_push_no_backup_out_and_go_by_the_rule(destination: BackupDestination) -> None:
    destination.retention_strategy, destination.keep_count, destination.min_keep = "simple", 2, 1
    destination.save()
    ours = daily(destination, 2, newest=NOW - 10 * DAY)
    for age in range(3):
        moment = NOW - age * DAY
        put(destination, f"app/manual/copy-{age}.tar.gz", an_archive(taken_at=moment))
    run(destination)
    pruned = prune(destination, by="tests", now=NOW)
    assert [entry.execution.backup_filename for entry in pruned.deleted] == ["copy-2.tar.gz"]
    assert all(file_of(row).exists() for row in ours)


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({"backup_type": "nightly"}, ("manual", NOW)),
        ({"backup_type": "safety"}, ("safety", NOW)),
        ({"taken_at": "2026-03-31T14:00:00+02:00"}, ("manual", NOW)),
        ({"taken_at": "yesterday"}, ("manual", None)),
        ({"taken_at": "2026-03-31T12:00:00"}, ("manual", None)),
        ({"taken_at": "9999-12-31T23:59:59-12:00"}, ("manual", None)),
        ({"taken_at": "1970-01-01T00:00:00+00:00"}, ("manual", None)),
        ({"triggered_by": "x" * 400}, ("manual", NOW)),
    ],
    ids=str,
)
def test_what_a_manifest_may_say_of_kind_and_date(
    destination: BackupDestination, facts: dict[str, Any], expected: tuple[str, datetime | None]
) -> None:
    put(destination, "app/x.tar.gz", an_archive(**facts))
    assert len(run(destination).adopted) == 1
    row = BackupExecution.objects.get()
    assert (row.kind, row.started_at) == expected
    assert abs(row.created_at - (expected[1] or timezone.now())) < timedelta(minutes=1)


@pytest.mark.parametrize("taken_at", ["yesterday", "9999-12-31T23:59:59-12:00", "2999-01-01T00:00:00+00:00"])
def test_an_archive_without_a_date_to_rely_on_is_never_pruned_and_makes_no_instance_look_fresh(
    destination: BackupDestination, taken_at: str, declare: Callable[[str], None], tmp_path: Path
) -> None:
    declare(f'[app]\nkind = "generic"\nroot = "{tmp_path}"\n[app.components]\nx = {{kind = "sqlite", path = "x.db"}}\n')
    destination.retention_days = destination.min_keep = 1
    put(destination, PLACE, an_archive(taken_at=taken_at))
    run(destination)
    ((entry,), (state,)) = plan_prune(destination, timezone.now()).entries, protections()
    assert entry.keep
    assert entry.reason in ("kept because its date is unknown", "kept because its date is in the future")
    assert state.good is None


def test_the_servers_own_archives_are_adopted_the_encrypted_one_with_its_passphrase(
    destination: BackupDestination, settings: Settings
) -> None:
    for archive in (SERVER_PLAIN, SERVER_ENCRYPTED):
        put(destination, f"old/{archive.name}", archive.read_bytes())
    settings.BACKUP_ENCRYPTION_PASSPHRASE = ""
    done = run(destination)
    assert (len(done.adopted), [path for path, _ in done.refused]) == (1, [f"old/{SERVER_ENCRYPTED.name}"])
    assert "passphrase" in done.refused[0][1]
    settings.BACKUP_ENCRYPTION_PASSPHRASE = SERVER_PASSPHRASE
    (row,) = run(destination).adopted
    assert (row.instance, row.encryption, row.kind) == ("tacacs-hq", "tcbk", "manual")
    verify_backup(row, by="tests")
    assert SERVER_PASSPHRASE not in json.dumps(row.manifest_json)


def test_archives_of_the_same_name_in_two_folders_are_two_backups(destination: BackupDestination) -> None:
    put(destination, f"one/{PLACE.rpartition('/')[2]}", an_archive("app"))
    put(destination, f"two/{PLACE.rpartition('/')[2]}", an_archive("app2"))
    run(destination)
    assert sorted(BackupExecution.objects.values_list("instance", flat=True)) == ["app", "app2"]
