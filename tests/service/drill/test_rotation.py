"""Drills and verifications of a backup with several copies: each place is proven over time, and only by what passed."""

from collections.abc import Callable
from pathlib import Path

import pytest

from backups.archive.errors import ArchiveError
from backups.models import BackupCopy, BackupExecution
from backups.service.backup.run import backup_now
from backups.service.drill import trial_restore
from backups.service.drill.run import drill, verify_backup
from destinations.backends.local import LocalDestination
from destinations.models import BackupDestination
from tests.support.call_commands import command
from tests.support.rows import a_destination

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def make(small_shop: Path, destination: BackupDestination) -> Callable[[], BackupExecution]:
    pair = [destination, a_destination("vault")]
    return lambda: backup_now("shop", pair, by="tests")


def proofs(backup: BackupExecution) -> dict[str, str]:
    return dict(backup.copies.values_list("destination__name", "verified_by"))


def test_drills_and_verifications_take_turns_over_the_places_of_an_instance(
    make: Callable[[], BackupExecution],
) -> None:
    first = make()
    assert drill(first, by="tests").findings["destination"] == "nas"
    assert proofs(first) == {"nas": "drill", "vault": "upload"}
    # another backup: it is the place that is to be proven
    second = make()
    assert verify_backup(second, by="tests").destination == "vault"
    assert proofs(second) == {"nas": "upload", "vault": "verification"}
    assert drill(make(), by="tests").findings["destination"] == "nas"
    assert " at vault: " in command("verifybackup", second.pk).out
    assert " at nas" in command("drill", second.pk).out
    assert command("drill", second.pk, "--json").data["destination"] == "vault"


def test_a_place_that_charges_for_reading_is_read_last_until_it_has_a_budget(
    make: Callable[[], BackupExecution], monkeypatch: pytest.MonkeyPatch
) -> None:
    backup = make()
    monkeypatch.setattr(LocalDestination, "off_box", True)
    monkeypatch.setattr(LocalDestination, "leaves_this_machine", True)
    monkeypatch.setattr(LocalDestination, "reads_back_uploads", lambda self: "nas" in self.location())
    assert [drill(backup, by="tests").findings["destination"] for _ in range(2)] == ["nas", "nas"]
    BackupDestination.objects.filter(name="vault").update(daily_read_mb=100)
    assert drill(backup, by="tests").findings["destination"] == "vault"


def test_a_copy_whose_drill_did_not_pass_is_not_verified_by_it(
    make: Callable[[], BackupExecution], monkeypatch: pytest.MonkeyPatch
) -> None:
    backup = make()

    def fail(*_: object, **__: object) -> None:
        raise ArchiveError("A member is damaged.")

    with monkeypatch.context() as patch:
        patch.setattr(trial_restore, "unpack_archive", fail)
        run = drill(backup, by="tests")
    assert (run.verdict, run.findings["destination"]) == ("failed", "nas")
    # the same bytes lie at both places
    assert set(backup.copies.values_list("verified_at", "verified_by")) == {(None, "")}
    assert drill(backup, by="tests").verdict == "passed"
    assert proofs(backup) == {"nas": "drill", "vault": ""}


def test_a_drill_that_comes_to_no_verdict_leaves_what_is_known_of_the_copy(
    make: Callable[[], BackupExecution], monkeypatch: pytest.MonkeyPatch
) -> None:
    backup = make()

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(trial_restore, "unpack_archive", full)
    assert drill(backup, by="tests").verdict == ""
    assert proofs(backup) == {"nas": "upload", "vault": "upload"}


def test_a_damaged_copy_is_marked_and_the_one_that_was_read_instead_is_verified(
    make: Callable[[], BackupExecution], home: Path
) -> None:
    backup = make()
    file = home / "backups" / "nas" / backup.backup_path
    file.chmod(0o600)
    file.write_bytes(file.read_bytes()[:-1] + b"X")
    run = drill(backup, by="tests")
    assert (run.verdict, run.findings["destination"]) == ("passed", "vault")
    conditions = {copy.destination.name: copy.condition for copy in BackupCopy.objects.select_related("destination")}
    assert conditions == {"nas": "damaged", "vault": "stored"}
    assert proofs(backup) == {"nas": "upload", "vault": "drill"}
