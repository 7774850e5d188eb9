"""What the options of `restore` do, and what it refuses."""

from collections.abc import Callable
from pathlib import Path

import pytest

from backups.models import BackupExecution, RestoreExecution
from destinations.models import BackupDestination
from tests.support.archives.crafted import SERVER_PLAIN
from tests.support.call_commands import command, refused
from tests.support.restores.component_restores import change, state_of
from tests.support.site_fixtures import BackUp, Declare

pytestmark = pytest.mark.django_db
Spoil = Callable[[], None]


@pytest.fixture
def backup(tacacs_root: Path, back_up: BackUp) -> BackupExecution:
    return back_up()


@pytest.fixture
def archive(backup: BackupExecution, home: Path) -> Path:
    return home / "backups" / "nas" / backup.backup_path


@pytest.fixture
def file(tacacs_root: Path) -> Path:
    return tacacs_root / "config" / "tacacs.conf"


def test_a_dry_run_verifies_the_archive_and_changes_nothing(
    tacacs_root: Path, backup: BackupExecution, archive: Path
) -> None:
    change(tacacs_root / "data" / "devices.db", "DELETE FROM devices WHERE id > 100")
    before = state_of(tacacs_root)
    done = command("restore", backup.pk, "--component=devices", "--component=users", "--dry-run")
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines()[-1] == "verified     2 files, 2 databases and 446 rows; nothing was changed"
    assert "left alone   accounting" in done.out
    assert state_of(tacacs_root) == before

    archive.write_bytes(archive.read_bytes()[:-30])
    assert "is not what was uploaded: its SHA-256 differs" in refused("restore", backup.pk, "--dry-run")
    assert not RestoreExecution.objects.exists()


def test_a_damaged_archive_changes_nothing_and_the_record_says_so(
    tacacs_root: Path, backup: BackupExecution, archive: Path
) -> None:
    before = state_of(tacacs_root)
    archive.write_bytes(archive.read_bytes()[:-30])
    said = refused("restore", backup.pk, "--confirm")
    assert "its SHA-256 differs" in said
    assert "nothing was changed" in said.lower()
    assert state_of(tacacs_root) == before
    assert RestoreExecution.objects.get().status == "failed"
    assert list(BackupExecution.objects.all()) == [backup]


def test_names_are_checked_before_anything_is_touched(
    tacacs_root: Path, backup: BackupExecution, declare: Declare
) -> None:
    change(tacacs_root / "data" / "config_overrides.db", "UPDATE system_metadata SET value = 'instance_1'")
    before = state_of(tacacs_root)
    said = refused("restore", backup.pk, "--component=nothing")
    assert "no component 'nothing' to restore" in said
    valid = "config, devices, users, accounting, metrics, audit, config.file, config.overrides, config.section:NAME"
    assert valid in said
    assert refused("restore", "12345678").startswith("There is no backup '12345678'")
    assert refused("restore", "--undo=12345678").startswith("There is no restore '12345678'")
    assert "--instance" in refused("restore", "--file", SERVER_PLAIN)
    declare(f'[tacacs-lab]\nkind = "tacacs"\nroot = "{tacacs_root}"\nconfig = "config/tacacs.conf"\n')
    said = refused("restore", backup.pk, "--instance=tacacs-lab", "--confirm")
    for part in ("of instance tacacs-hq, not of tacacs-lab", "Nothing was changed.", "--other-instance"):
        assert part in said
    assert "There is no instance 'tacacs-hq' (known: tacacs-lab)" in refused("restore", backup.pk, "--confirm")
    assert state_of(tacacs_root) == before


def test_an_archive_of_another_instance_is_restored_when_that_is_said(
    tacacs_root: Path, backup: BackupExecution, declare: Declare
) -> None:
    change(tacacs_root / "data" / "config_overrides.db", "UPDATE system_metadata SET value = 'instance_1'")
    declare(f'[tacacs-lab]\nkind = "tacacs"\nroot = "{tacacs_root}"\nconfig = "config/tacacs.conf"\n')
    options = ("--instance=tacacs-lab", "--component=devices", "--other-instance", "--confirm", "--json")
    done = command("restore", backup.pk, *options)
    assert (done.code, done.data["instance"], done.data["other_instance"]) == (0, "tacacs-lab", True)


def test_a_section_of_the_configuration_comes_back_alone(file: Path, backup: BackupExecution) -> None:
    good = file.read_bytes()
    file.write_bytes(
        good.replace(b"cleanup_days = 90", b"cleanup_days = 1").replace(b"web_port = 8080", b"web_port = 1")
    )
    done = command("restore", backup.pk, "--component=config.section:database", "--confirm")
    assert (done.code, done.err) == (0, "")
    assert file.read_bytes() == good.replace(b"web_port = 8080", b"web_port = 1")


def test_an_invalid_configuration_needs_force(file: Path, back_up: BackUp) -> None:
    file.write_text(file.read_text().replace("backends = local,okta", "backends = okta").replace("[okta]", "[oktas]"))
    backup = back_up()
    finding = "[auth] backends names okta, but section [okta] is missing"
    shown = command("restore", backup.pk)
    assert f"refused      The configuration is not valid: {finding}. It needs --force-invalid-config" in shown.out
    assert finding in refused("restore", backup.pk, "--dry-run")
    assert finding in refused("restore", backup.pk, "--confirm")
    done = command("restore", backup.pk, "--component=config", "--force-invalid-config", "--confirm", "--json")
    assert (done.data["force_invalid_config"], done.data["warnings"]) == (
        True, [f"Forced: the configuration is not valid: {finding}."],
    )  # fmt: skip


def test_the_servers_plain_archive_is_shown_verified_previewed_and_restored(
    tacacs_root: Path, backup: BackupExecution
) -> None:
    good = state_of(tacacs_root)
    change(tacacs_root / "data" / "local_auth.db", "DELETE FROM local_users WHERE id < 4")
    into = ("--file", SERVER_PLAIN, "--instance=tacacs-hq", "--accept-unsigned")
    shown = command("restore", *into, "--dry-run", "--json")
    assert shown.data["preview"]["application"] == "TACACS+ server 0.1.0"
    notes = ["Accepted: the archive is not signed."]
    assert shown.data["verified"] == {"files": 8, "databases": 6, "rows": 7054, "notes": notes}
    assert command("showbackup", "--file", SERVER_PLAIN, "--json").data["manifest"]["contents"]
    assert command("verifybackup", "--file", SERVER_PLAIN).code == 0
    done = command("restore", *into, "--confirm")
    assert (done.code, done.err) == (0, "")
    assert state_of(tacacs_root) == good
    assert SERVER_PLAIN.exists()


def test_what_changed_nothing_cannot_be_undone(backup: BackupExecution, archive: Path) -> None:
    archive.unlink()
    refused("restore", backup.pk, "--confirm")
    failed = RestoreExecution.objects.get()
    assert refused("restore", "--undo", failed.pk).lower().startswith(f"restore {failed.pk} changed nothing")


def test_an_undo_is_previewed_and_names_what_it_undoes(tacacs_root: Path, backup: BackupExecution) -> None:
    (tacacs_root / "data" / "audit_trail.db").unlink()
    before = state_of(tacacs_root)
    first = command("restore", backup.pk, "--component=audit", "--confirm", "--json").data
    shown = command("restore", "--undo", first["id"])
    assert (shown.code, shown.err.partition(":")[0]) == (1, "Nothing was restored")
    assert "audit did not exist when the backup was made and will be removed" in " ".join(shown.out.split())
    second = command("restore", "--undo", first["id"], "--confirm", "--json").data
    assert (second["undo_of"], second["restart_required"]) == (first["id"], True)
    assert state_of(tacacs_root) == before
    assert command("showrestore", first["id"][:8], "--json").data["undone_by"] == [second["id"]]


def test_the_safety_backup_needs_an_enabled_destination_and_makes_one_where_there_was_none(
    backup: BackupExecution, destination: BackupDestination
) -> None:
    BackupDestination.objects.update(enabled=False)
    assert command("restore", backup.pk, "--component=devices", "--confirm").code == 0
    made = BackupDestination.objects.get(name="safety")
    assert list(made.executions.values_list("kind", flat=True)) == ["safety"]
    BackupDestination.objects.update(enabled=False)
    said = refused("restore", backup.pk, "--confirm")
    for part in ("no destination for the safety backup is enabled", "nothing was changed", "enable safety"):
        assert part in said.lower()


def test_restores_are_listed_newest_first_with_their_archive_or_error(backup: BackupExecution, archive: Path) -> None:
    assert command("listrestores").out == "no restores\n"
    command("restore", backup.pk, "--component=devices", "--confirm")
    archive.unlink()
    refused("restore", backup.pk, "--confirm")
    lines = command("listrestores").out.splitlines()
    assert [line.split()[2] for line in lines[1:]] == ["failed", "completed"]
    assert lines[2].endswith(backup.backup_filename)
    assert command("listrestores", "another").out == "no restores\n"
    assert [row["status"] for row in command("listrestores", "--limit=1", "--json").data] == ["failed"]
    assert refused("listrestores", "--limit=-1").startswith("--limit must not be negative")
    shown = command("showrestore", RestoreExecution.objects.latest("created_at").pk).out
    assert "failed       tacacs-hq from backup-tacacs-hq-" in shown
    assert "nothing was changed" in shown.lower()
