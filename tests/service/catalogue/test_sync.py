"""The catalogue against what really lies at a destination."""

import hashlib
import json
import logging
import re
import shutil
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.utils import timezone
from pytest_django import Settings

from backups.archive.age import generate_identity
from backups.models import BackupExecution, LeftoverPart
from backups.service.archives.pin import pin_backup
from backups.service.archives.signatures import signature_state
from backups.service.catalogue.sync import Imported, import_backups, scan_destination
from backups.service.drill.run import verify_backup
from backups.service.monitoring.protection import Condition, protections
from backups.service.retention.plan import plan_prune
from backups.service.retention.prune import prune
from destinations.backends.local import LocalDestination
from destinations.exceptions import DestinationUnavailable, NotFound
from destinations.models import BackupDestination
from tests.support.archives.crafted import SERVER_ENCRYPTED, SERVER_PASSPHRASE, SERVER_PLAIN
from tests.support.archives.stored import DAY, NOW, an_archive, daily, file_of, folder_of, put, stored
from tests.support.rows import an_execution
from tests.support.site_fixtures import BackUp

pytestmark = pytest.mark.django_db
PLACE = "app/manual/backup-app-20260331-120000-manual.tar.gz"


def run(destination: BackupDestination, **options: Any) -> Imported:
    return import_backups(destination, by="tests", **options)


def part(destination: BackupDestination, token: str, data: bytes = b"half an archive") -> Path:
    return put(destination, f"{PLACE}.{token}.part", data)


def paths(rows: list[BackupExecution]) -> list[str]:
    return [row.backup_path for row in rows]


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


def test_a_second_import_finds_everything_as_recorded(destination: BackupDestination) -> None:
    put(destination, PLACE, an_archive())
    run(destination)
    done = run(destination)
    assert (done.scan.present, done.scan.unknown, done.adopted, done.missing) == (1, [], [], [])
    assert BackupExecution.objects.count() == 1


def test_a_look_changes_nothing(destination: BackupDestination) -> None:
    lost = stored(destination)
    file_of(lost).unlink()
    put(destination, "other/copy.tar.zst", b"looked at by name alone")
    put(destination, "readme.txt", b"hello")
    part(destination, "unknown")
    found = scan_destination(destination)
    assert [file.path for file in found.unknown] == ["other/copy.tar.zst"]
    assert paths(found.missing) == [lost.backup_path]
    assert [file.path for file in found.others] == ["readme.txt"]
    assert len(found.leftovers) == 1
    assert list(BackupExecution.objects.values_list("missing_at", flat=True)) == [None]
    assert not LeftoverPart.objects.exists() and not BackupDestination.objects.get().established


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
    assert state.condition is Condition.NEVER


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "The archive is empty"),
        (b"just text", "is not compressed with gzip or zstd"),
        (an_archive()[:-40], "truncated"),
        (an_archive(instance="no instance/../"), "names the instance 'no instance/../'"),
        (an_archive(instance="x" * 65), "names the instance"),
        (b"age-encryption.org/v1\n-> X25519 nobody has the key\n" + bytes(200), "age"),
    ],
    ids=["empty", "text", "cut", "bad name", "long name", "encrypted"],
)
def test_what_cannot_be_used_is_refused_by_name_and_the_others_are_adopted(
    destination: BackupDestination, data: bytes, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    put(destination, "app/a-bad.tar.gz", data)
    put(destination, PLACE, an_archive())
    done = run(destination)
    ((path, why),) = done.refused
    assert path == "app/a-bad.tar.gz"
    assert re.search(reason, why)
    assert paths(done.adopted) == [PLACE]
    assert "catalogue.refused destination=nas file=app/a-bad.tar.gz" in caplog.text


def test_one_flipped_bit_is_found(destination: BackupDestination) -> None:
    data = bytearray(an_archive())
    data[len(data) // 2] ^= 1
    put(destination, PLACE, bytes(data))
    done = run(destination)
    assert (done.adopted, len(done.refused)) == ([], 1)
    assert not BackupExecution.objects.exists()


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


def test_an_archive_that_is_gone_is_marked_until_it_returns(
    destination: BackupDestination, caplog: pytest.LogCaptureFixture
) -> None:
    kept, lost = stored(destination), stored(destination, taken_at=NOW - DAY)
    aside = file_of(lost).rename(folder_of(destination).parent / "aside")
    before = timezone.now()
    assert paths(run(destination).missing) == [lost.backup_path]
    lost.refresh_from_db()
    assert lost.missing_at is not None and lost.missing_at >= before and not lost.has_archive
    assert "ERROR" in caplog.text and f"backup.missing backup={lost.pk}" in caplog.text
    first = lost.missing_at
    assert run(destination).missing == []
    lost.refresh_from_db()
    assert lost.missing_at == first
    aside.rename(file_of(lost))
    assert paths(run(destination).returned) == [lost.backup_path]
    lost.refresh_from_db()
    assert lost.has_archive
    kept.refresh_from_db()
    assert kept.missing_at is None


def test_an_archive_that_was_moved_keeps_its_row_and_its_pin(destination: BackupDestination) -> None:
    execution = stored(destination)
    pin_backup(execution, by="tests", reason="audit")
    target = folder_of(destination) / "vault/kept.tar.gz"
    target.parent.mkdir()
    data = an_archive()
    file_of(execution).unlink()
    target.write_bytes(data)
    BackupExecution.objects.update(archive_sha256=hashlib.sha256(data).hexdigest())
    done = run(destination)
    assert (paths(done.moved), done.missing, done.adopted) == (["vault/kept.tar.gz"], [], [])
    row = BackupExecution.objects.get()
    assert (row.pk, row.backup_path, row.pinned, row.missing_at) == (execution.pk, "vault/kept.tar.gz", True, None)


def test_an_archive_of_another_size_than_recorded_is_reported_and_not_present(
    destination: BackupDestination, caplog: pytest.LogCaptureFixture
) -> None:
    execution = stored(destination)
    file_of(execution).write_bytes(b"cut")
    done = run(destination)
    assert [(row.pk, size) for row, size in done.scan.changed] == [(execution.pk, 3)]
    assert (done.scan.present, done.missing) == (0, [])
    assert f"backup.changed backup={execution.pk}" in caplog.text


def test_an_archive_that_came_back_after_it_was_deleted_is_a_new_backup(destination: BackupDestination) -> None:
    gone = stored(destination, deleted_at=NOW)
    (row,) = run(destination).adopted
    assert (row.pk != gone.pk, row.backup_path) == (True, gone.backup_path)


def test_what_an_execution_is_uploading_is_not_unknown(destination: BackupDestination) -> None:
    an_execution("app", destination=destination, status="running", planned_path=PLACE)
    put(destination, PLACE, an_archive())
    assert (run(destination).adopted, scan_destination(destination).unknown) == ([], [])


def test_what_is_recorded_or_deleted_while_the_listing_runs_is_neither_unknown_nor_missing(
    destination: BackupDestination, monkeypatch: pytest.MonkeyPatch
) -> None:
    early, late = stored(destination, taken_at=NOW - 2 * DAY), stored(destination, taken_at=NOW - DAY)
    real = LocalDestination.list

    def delete(execution: BackupExecution) -> None:
        file_of(execution).unlink()
        BackupExecution.objects.filter(pk=execution.pk).update(deleted_at=NOW)

    def list_slowly(self: LocalDestination, prefix: str = "") -> Any:
        delete(early)
        yield from list(real(self, prefix))
        stored(destination)
        delete(late)

    monkeypatch.setattr(LocalDestination, "list", list_slowly)
    found = scan_destination(destination)
    assert (found.unknown, found.missing) == ([], [])


def test_a_listing_that_is_behind_marks_nothing_that_is_there(
    destination: BackupDestination, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored(destination)
    monkeypatch.setattr(LocalDestination, "list", lambda self, prefix="": iter(()))
    assert run(destination).missing == []


@pytest.mark.parametrize("method", ["list", "list_partials", "stat"])
def test_an_error_while_looking_marks_and_adopts_nothing(
    destination: BackupDestination, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    lost = stored(destination)
    file_of(lost).unlink()
    put(destination, "other.tar.gz", an_archive())

    def broken(*_: Any, **__: Any) -> Any:
        raise DestinationUnavailable("the connection broke")

    monkeypatch.setattr(LocalDestination, method, broken)
    with pytest.raises(DestinationUnavailable):
        run(destination)
    assert BackupExecution.objects.get().missing_at is None


def test_a_disk_that_is_not_mounted_marks_nothing(destination: BackupDestination) -> None:
    stored(destination)
    BackupDestination.objects.update(established=True)
    destination.refresh_from_db()
    shutil.rmtree(folder_of(destination))
    with pytest.raises(DestinationUnavailable, match="although archives were stored"):
        run(destination)
    folder_of(destination).mkdir()
    with pytest.raises(DestinationUnavailable, match="is empty, although"):
        run(destination)
    assert BackupExecution.objects.get().missing_at is None


def test_two_imports_at_once_record_an_archive_once(
    destination: BackupDestination, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(destination, PLACE, an_archive())
    real = LocalDestination.get
    first = iter([True])

    def get_after_the_other(self: LocalDestination, *arguments: Any, **options: Any) -> int:
        if next(first, False):
            run(destination)
        return real(self, *arguments, **options)

    monkeypatch.setattr(LocalDestination, "get", get_after_the_other)
    done = run(destination)
    assert (done.adopted, done.refused, BackupExecution.objects.count()) == ([], [], 1)


def test_an_archive_that_vanishes_before_it_is_fetched_is_passed_over(
    destination: BackupDestination, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(destination, PLACE, an_archive())

    def gone(*_: Any, **__: Any) -> int:
        raise NotFound("it is gone")

    monkeypatch.setattr(LocalDestination, "get", gone)
    done = run(destination)
    assert (done.adopted, done.refused) == ([], [])


def test_a_workspace_without_room_refuses_and_says_so(
    destination: BackupDestination, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(destination, PLACE, an_archive())
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=10))
    ((path, reason),) = run(destination).refused
    assert path == PLACE and "has 10 bytes free" in reason


def test_what_is_left_when_time_is_up_waits_for_the_next_import(destination: BackupDestination) -> None:
    put(destination, PLACE, an_archive())
    done = run(destination, until=timezone.now())
    assert ([file.path for file in done.waiting], done.adopted) == ([PLACE], [])
    assert len(run(destination).adopted) == 1


@pytest.mark.parametrize(
    ("fields", "goes"),
    [
        ({"status": "running"}, False),
        ({"status": "queued"}, False),
        ({"status": "failed", "completed_at": NOW - 2 * DAY}, True),
        ({"status": "interrupted", "completed_at": NOW - timedelta(hours=23)}, False),
        ({"status": "cancelled", "created_at": NOW - 9 * DAY, "completed_at": None}, True),
    ],
    ids=str,
)
def test_a_temporary_file_of_ours_goes_a_day_after_its_execution_ended(
    destination: BackupDestination, fields: dict[str, Any], goes: bool
) -> None:
    execution = an_execution("app", destination=destination, **fields)
    file = part(destination, execution.pk)
    done = run(destination, now=NOW)
    assert file.exists() is not goes
    assert done.removed == ([f"{PLACE}.{execution.pk}.part"] if goes else [])


def test_a_temporary_file_of_unknown_origin_goes_when_it_was_seen_twice_a_day_apart(
    destination: BackupDestination,
) -> None:
    file = part(destination, "unknown")
    assert run(destination, now=NOW).removed == []
    assert run(destination, now=NOW + timedelta(hours=24)).removed == []
    assert file.exists()
    assert run(destination, now=NOW + timedelta(hours=25)).removed == [f"{PLACE}.unknown.part"]
    assert not file.exists() and not LeftoverPart.objects.exists()


def test_a_temporary_file_that_grows_is_an_upload_that_runs(destination: BackupDestination) -> None:
    file = part(destination, "unknown")
    run(destination, now=NOW)
    file.write_bytes(b"more of the archive")
    assert run(destination, now=NOW + 2 * DAY).removed == []
    assert run(destination, now=NOW + 2.5 * DAY).removed == []
    assert file.exists()
    assert len(run(destination, now=NOW + 4 * DAY).removed) == 1


def test_an_upload_that_was_finished_is_forgotten(destination: BackupDestination) -> None:
    file = part(destination, "unknown")
    run(destination, now=NOW)
    assert LeftoverPart.objects.count() == 1
    file.unlink()
    run(destination, now=NOW)
    assert not LeftoverPart.objects.exists()


def test_the_command_says_what_it_did_in_lines_and_in_json(
    destination: BackupDestination, capsys: pytest.CaptureFixture[str]
) -> None:
    lost = stored(destination)
    file_of(lost).unlink()
    put(destination, "found.tar.gz", an_archive("wiki"))
    call_command("importbackups", "nas", "--dry-run")
    out = capsys.readouterr().out
    assert "nas: 0 archives are there as recorded\n" in out
    assert "  unknown    found.tar.gz\n" in out and f"  missing    {lost.backup_path}  id {lost.pk}\n" in out
    assert BackupExecution.objects.count() == 1
    call_command("importbackups", "nas", "--json")
    answer = json.loads(capsys.readouterr().out)
    row = BackupExecution.objects.get(adopted=True)
    assert [item["id"] for item in answer["adopted"]] == [row.pk]
    assert [item["id"] for item in answer["missing"]] == [lost.pk]
    assert (answer["destination"], answer["dry_run"], answer["present"]) == ("nas", False, 0)


def test_the_command_ends_with_an_error_when_something_was_refused(
    destination: BackupDestination, capsys: pytest.CaptureFixture[str]
) -> None:
    put(destination, "bad.tar.gz", b"no archive")
    put(destination, PLACE, an_archive())
    with pytest.raises(CommandError, match=r"1 file refused at nas. The first: bad\.tar\.gz: "):
        call_command("importbackups", "nas", "--json")
    answer = json.loads(capsys.readouterr().out)
    assert (len(answer["adopted"]), len(answer["refused"])) == (1, 1)
    with pytest.raises(CommandError, match="There is no destination 'elsewhere'"):
        call_command("importbackups", "elsewhere")
