"""The catalogue against what really lies at a destination."""

import json

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from backups.models import BackupExecution, LeftoverPart
from backups.service.catalogue.sync import scan_destination
from destinations.models import BackupDestination
from tests.support.archives.imported import PLACE, part, paths, run
from tests.support.archives.stored import an_archive, file_of, put, stored

pytestmark = pytest.mark.django_db


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
