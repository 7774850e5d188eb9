"""`verifybackup` of one copy by name, and of each."""

from pathlib import Path

import pytest

from backups.models import BackupExecution, DrillExecution
from backups.service.backup.run import backup_now
from destinations.models import BackupDestination
from tests.support.call_commands import command, refused
from tests.support.rows import a_destination

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def backup(small_shop: Path, destination: BackupDestination) -> BackupExecution:
    return backup_now("shop", [destination, a_destination("vault")], by="tests")


def read() -> list[str]:
    return [run.findings["destination"] for run in DrillExecution.objects.order_by("created_at")]


def test_the_copy_at_a_destination_is_verified_by_its_name(backup: BackupExecution) -> None:
    for name in ("vault", "vault", "nas"):
        assert command("verifybackup", backup.pk, "--at", name, "--json").data["destination"] == name
    assert read() == ["vault", "vault", "nas"]
    a_destination("empty")
    assert "no copy at empty" in refused("verifybackup", backup.pk, "--at", "empty")
    assert "has no copies" in refused("verifybackup", "--file", "x.tar.gz", "--every-copy")


def test_every_copy_is_verified_and_one_that_is_bad_does_not_end_it(backup: BackupExecution, home: Path) -> None:
    ended = command("verifybackup", backup.pk, "--every-copy", "--json")
    assert ended.data["verified"] is True
    assert [copy["destination"] for copy in ended.data["copies"]] == ["nas", "vault"] == read()
    file = home / "backups" / "nas" / backup.backup_path
    file.write_bytes(file.read_bytes()[:-1])
    ended = command("verifybackup", backup.pk, "--every-copy", "--json")
    assert ended.code == 1
    assert [copy["verified"] for copy in ended.data["copies"]] == [False, True]
    assert {copy.destination.name: copy.condition for copy in backup.copies.all()} == {
        "nas": "damaged", "vault": "stored",
    }  # fmt: skip
    # which copy a run without a verdict was about
    assert read()[-2:] == ["nas", "vault"]
    backup.refresh_from_db()
    assert backup.verification["verdict"] == "passed"
