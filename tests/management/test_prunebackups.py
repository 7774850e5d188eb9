"""prunebackups, as an operator runs it."""

import json
import shutil

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.utils import timezone

from backups.models import BackupExecution
from destinations.models import BackupDestination
from tests.support.archives.stored import DAY, daily, file_of, folder_of, there

pytestmark = pytest.mark.django_db


def a_place(name: str, **columns: object) -> BackupDestination:
    destination = BackupDestination(name=name, type="local", **columns)
    destination.configure({})
    destination.save()
    return destination


@pytest.fixture
def nas(home: object) -> BackupDestination:
    return a_place("nas", retention_days=7, min_keep=2)


def some(destination: BackupDestination, days: int = 10) -> list[BackupExecution]:
    return daily(destination, days, newest=timezone.now() - DAY / 24)


def test_a_dry_run_lists_every_backup_with_its_reason_and_deletes_nothing(
    nas: BackupDestination, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = some(nas)
    call_command("prunebackups", "--dry-run")
    out = capsys.readouterr().out
    assert there(rows) == list(range(10))
    assert f"  goes   {rows[9].backup_path}  id {rows[9].pk}  goes because it is older than 7 days\n" in out
    assert f"  stays  {rows[0].backup_path}  id {rows[0].pk}  kept because it is not older than 7 days\n" in out
    assert out.count("\n") == 11
    call_command("prunebackups", "--dry-run", "--json")
    (answer,) = json.loads(capsys.readouterr().out)
    assert (answer["destination"], answer["dry_run"], len(answer["goes"]), len(answer["stays"])) == ("nas", True, 3, 7)
    assert answer["reclaimed_bytes"] == sum(item["size_bytes"] for item in answer["goes"])
    assert answer["goes"][-1]["taken_at"] == rows[9].started_at.isoformat()


def test_a_dry_run_looks_at_the_place_and_foresees_what_the_next_run_does(
    nas: BackupDestination, capsys: pytest.CaptureFixture[str]
) -> None:
    BackupDestination.objects.update(min_keep=7)
    rows = some(nas)
    file_of(rows[0]).unlink()
    file_of(rows[1]).write_bytes(b"cut")
    call_command("prunebackups", "--dry-run", "--json")
    (foreseen,) = json.loads(capsys.readouterr().out)
    call_command("prunebackups", "--json")
    (done,) = json.loads(capsys.readouterr().out)
    assert {item["id"] for item in foreseen["goes"]} == {item["id"] for item in done["deleted"]} == {rows[9].pk}
    assert foreseen["warning"] == done["warning"]
    assert "nas does not have it" in foreseen["warning"][0]["reason"]


def test_a_dry_run_at_a_place_that_does_not_answer_goes_by_the_records_and_says_so(
    nas: BackupDestination, capsys: pytest.CaptureFixture[str]
) -> None:
    some(nas)
    shutil.rmtree(folder_of(nas).parent)
    call_command("prunebackups", "--dry-run")
    out = capsys.readouterr().out
    assert "warning  nas does not answer, so this plan is by the database only: " in out
    assert out.count("  goes  ") == 3


def test_what_goes_is_deleted_and_said(nas: BackupDestination, capsys: pytest.CaptureFixture[str]) -> None:
    rows = some(nas)
    call_command("prunebackups", "--json")
    (answer,) = json.loads(capsys.readouterr().out)
    assert there(rows) == list(range(7))
    assert [item["id"] for item in answer["deleted"]] == [row.pk for row in rows[:6:-1]]
    assert (answer["failed"], answer["spared"], answer["warning"]) == ([], [], [])
    call_command("prunebackups")
    assert capsys.readouterr().out == "nas: 0 B reclaimed\n"


def test_disabled_destinations_are_left_alone_unless_they_are_named(
    nas: BackupDestination, capsys: pytest.CaptureFixture[str]
) -> None:
    old = a_place("old", retention_days=7, min_keep=1, enabled=False)
    ours, theirs = some(nas), some(old)
    call_command("prunebackups")
    assert (len(there(ours)), len(there(theirs))) == (7, 10)
    call_command("prunebackups", "--destination", "old")
    assert len(there(theirs)) == 7


def test_a_destination_that_fails_does_not_stop_the_others_and_the_exit_code_tells(
    nas: BackupDestination, capsys: pytest.CaptureFixture[str]
) -> None:
    away = a_place("away", retention_days=7, min_keep=1, established=True)
    theirs, ours = some(away), some(nas)
    shutil.rmtree(folder_of(away))
    with pytest.raises(CommandError, match=r"/away is gone, although archives were stored in it"):
        call_command("prunebackups", "--json")
    answers = {answer["destination"]: answer for answer in json.loads(capsys.readouterr().out)}
    assert "is gone, although" in answers["away"]["error"]
    assert len(answers["nas"]["deleted"]) == 3 and there(ours) == list(range(7))
    assert not BackupExecution.objects.filter(pk__in=[row.pk for row in theirs], deleted_at__isnull=False).exists()


def test_an_archive_that_cannot_be_deleted_is_named_and_the_exit_code_tells(
    nas: BackupDestination, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = some(nas)
    file_of(rows[9]).unlink()
    file_of(rows[9]).mkdir()
    with pytest.raises(CommandError, match=f"{rows[9].backup_filename} could not be deleted at nas: "):
        call_command("prunebackups")
    assert f"  failed   {rows[9].backup_path}" in capsys.readouterr().out


def test_an_unknown_destination_is_named_with_the_known_ones(nas: BackupDestination) -> None:
    with pytest.raises(CommandError, match=r"There is no destination 'ans'.*Known: nas"):
        call_command("prunebackups", "--destination", "ans")


def test_a_site_without_destinations_has_nothing_to_prune(db: None, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("prunebackups")
    assert capsys.readouterr().out == "no destination is enabled\n"
