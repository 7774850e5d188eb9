"""The signature of an archive: looked at before a restore, asked about, accepted or refused."""

import shutil
import subprocess
from pathlib import Path

import pytest
from pytest_django import Settings

from backups.archive.errors import ArchiveError
from backups.archive.minisign import SigningKey, file_digest, sign_digest
from backups.errors import BackupError
from backups.models import BackupExecution
from backups.service.archives.signatures import Signature, State, signature_state, site_key
from backups.service.drill.run import verify_backup
from destinations.exceptions import DestinationError
from tests.support.archives.stored import file_of, signature_of
from tests.support.call_commands import command, refused
from tests.support.programs import require
from tests.support.restores.instance_restores import restore, the_restore, undo

pytestmark = pytest.mark.django_db(transaction=True)
STRANGER = SigningKey.generate()


def sign_as_a_stranger(execution: BackupExecution) -> None:
    signature_of(execution).write_text(sign_digest(file_digest(file_of(execution)), STRANGER, "by somebody else"))


def test_minisign_verifies_what_the_site_signed_and_its_secret_key_signs_for_us(
    execution: BackupExecution, settings: Settings, tmp_path: Path
) -> None:
    minisign = require("minisign")
    archive, public_key = file_of(execution), site_key().public_key.text
    said = subprocess.run([minisign, "-Vm", archive, "-P", public_key], check=True, capture_output=True, text=True)
    assert "Trusted comment: timestamp:" in said.stdout
    assert f"\tfile:{archive.name}\thashed" in said.stdout

    signature_of(execution).unlink()
    secret = tmp_path / "signing.key"
    secret.write_text(settings.BACKUP_SIGNING_KEY + "\n")
    subprocess.run([minisign, "-Sm", archive, "-s", secret], check=True, capture_output=True)
    assert signature_state(execution).state is State.SIGNED


def test_a_backup_of_ours_is_signed_by_this_site(execution: BackupExecution) -> None:
    found = signature_state(execution)
    assert (found.state, found.key_id) == (State.SIGNED, site_key().public_key.id)
    assert str(found) == f"signed by this site (key {site_key().public_key.id})"
    assert signature_state(file_of(execution)) == found


def test_a_missing_signature_asks_and_is_accepted_by_a_person_only(execution: BackupExecution) -> None:
    signature_of(execution).unlink()
    assert signature_state(execution) == Signature(State.MISSING)
    with pytest.raises(BackupError, match=f"{execution.backup_filename} is not signed") as caught:
        restore(execution)
    assert caught.value.option == "--accept-unsigned"
    assert the_restore().outcome == {}

    done = restore(execution, accept_unsigned=True)
    assert done.warnings == ["Accepted: the archive is not signed."]


def test_a_foreign_signature_asks_until_its_key_is_trusted(execution: BackupExecution, settings: Settings) -> None:
    sign_as_a_stranger(execution)
    assert signature_state(execution) == Signature(State.FOREIGN, STRANGER.public_key.id)
    with pytest.raises(BackupError, match=f"signed with the key {STRANGER.public_key.id}, which is not trusted here"):
        restore(execution)

    settings.BACKUP_TRUSTED_KEYS = [STRANGER.public_key.text]
    assert str(signature_state(execution)) == f"signed by a trusted site (key {STRANGER.public_key.id})"
    assert restore(execution).warnings == []


BAD = {
    "of another archive": lambda archive, text: sign_of_other_bytes(archive),
    "with another comment": lambda archive, text: text.replace("hashed", "hushed"),
    "cut": lambda archive, text: text[:100],
    "rubbish": lambda archive, text: "no signature",
    "endless": lambda archive, text: text + "x" * 100_000,
}


def sign_of_other_bytes(archive: Path) -> str:
    other = archive.with_name("other")
    other.write_bytes(b"other")
    return sign_digest(file_digest(other), site_key(), "by this site")


@pytest.mark.parametrize("how", BAD)
def test_a_bad_signature_is_refused_whatever_a_person_accepts(execution: BackupExecution, how: str) -> None:
    path = signature_of(execution)
    path.write_text(BAD[how](file_of(execution), path.read_text()))
    for look in (signature_state, lambda execution: restore(execution, accept_unsigned=True)):
        with pytest.raises(ArchiveError, match=f"{execution.backup_filename} is refused: The signature "):
            look(execution)
    assert the_restore().outcome == {}
    with pytest.raises(ArchiveError):
        verify_backup(execution, by="tests")


def test_an_archive_that_was_changed_with_the_record_does_not_fit_its_signature(execution: BackupExecution) -> None:
    archive = file_of(execution)
    shutil.copy(archive, archive.with_name("copy.tar.gz"))
    shutil.copy(signature_of(execution), archive.with_name("copy.tar.gz.minisig"))
    with archive.with_name("copy.tar.gz").open("r+b") as file:
        file.write(b"\0")
    with pytest.raises(ArchiveError, match="does not fit the file"):
        signature_state(archive.with_name("copy.tar.gz"))


def test_a_digest_that_was_never_taken_is_taken_once(execution: BackupExecution) -> None:
    digest = execution.archive_blake2b
    execution.archive_blake2b = ""
    execution.save()
    execution.copies.update(blake2b="")
    assert signature_state(execution).state is State.SIGNED
    assert BackupExecution.objects.get(pk=execution.pk).archive_blake2b == digest


def test_an_undo_goes_by_the_checksum_of_the_record_but_never_by_a_bad_signature(execution: BackupExecution) -> None:
    done = restore(execution)
    assert done.safety_backup is not None
    signature = signature_of(done.safety_backup)
    text = signature.read_text()
    signature.write_text("rubbish")
    with pytest.raises(ArchiveError, match="is refused"):
        undo(done)
    signature.unlink()
    assert undo(done).status == "completed"
    assert text


def test_a_signature_that_cannot_be_looked_at_is_not_offered_to_be_accepted(execution: BackupExecution) -> None:
    signature_of(execution).unlink()
    signature_of(execution).symlink_to("/etc/passwd")
    shown = command("restore", execution.pk)
    assert "Its signature cannot be read: " in shown.out
    assert "--accept-unsigned" not in shown.out
    with pytest.raises(DestinationError, match="not a regular file"):
        restore(execution, accept_unsigned=True)


def test_the_commands_say_what_the_signature_is_and_how_to_accept_it(execution: BackupExecution) -> None:
    sign_as_a_stranger(execution)
    shown = command("restore", execution.pk)
    assert f"signed with the key {STRANGER.public_key.id}, which is not trusted here" in shown.out
    assert "It needs --accept-unsigned" in shown.out
    assert "is signed with the key" in refused("restore", execution.pk, "--confirm")
    assert command("restore", execution.pk, "--confirm", "--accept-unsigned").code == 0
