"""`restoresite`: the site itself is restored while none of its processes runs."""

import subprocess
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import DatabaseError
from django.utils import timezone
from pytest_django import Settings

from backups.archive.minisign import SigningKey
from backups.checks.instances.this_site import check_unfinished
from backups.errors import BackupError, ComponentError
from backups.instances.kinds.backupsite import facts as facts_module
from backups.instances.kinds.backupsite.database import OwnSQLite
from backups.models import BackupExecution, Heartbeat
from backups.runs.recovery import heartbeats
from backups.service.backup.run import backup_now
from backups.service.own_state import present
from backups.service.own_state import restore as restoring
from destinations.models import BackupDestination
from tests.service.own_state.conftest import SITE, RestoreSite
from tests.support.call_commands import command
from tests.support.rows import an_execution

pytestmark = pytest.mark.django_db(transaction=True)


def statuses() -> dict[str, str]:
    return dict(BackupExecution.objects.values_list("instance", "status"))


def folders(home: Path) -> list[Path]:
    return sorted((home / "replaced").glob("*"))


def test_a_site_is_as_it_was_and_an_undo_brings_back_what_was_replaced(
    archive: Path, own_site: Path, restore_site: RestoreSite, declare: Callable[[str], None], settings: Settings
) -> None:
    an_execution("later")
    declare(SITE + "# changed\n")
    (own_site / "secrets_key").write_text("another\n")
    preview = restore_site(archive)
    assert (preview.code, statuses()["later"], folders(own_site)) == (1, "completed", [])
    assert "--confirm" in preview.err
    done = restore_site(archive, "--confirm", "--json")
    assert done.code == 0, done.err
    # the row of the backup itself was running in it
    assert statuses() == {"site": "interrupted"}
    assert (own_site / "instances.toml").read_text() == SITE
    assert (own_site / "secrets_key").read_text().strip() == settings.BACKUP_SECRETS_KEY[0]
    assert [Path(done.data["replaced"])] == folders(own_site)
    undone = command("restoresite", "--undo", folders(own_site)[0], "--confirm")
    assert undone.code == 0, undone.err
    assert statuses() == {"later": "completed", "site": "completed"}
    assert (own_site / "instances.toml").read_text() == SITE + "# changed\n"
    assert (own_site / "secrets_key").read_text() == "another\n"
    assert len(folders(own_site)) == 2


def test_it_is_refused_where_it_would_do_harm_and_nothing_is_changed(
    archive: Path, own_site: Path, restore_site: RestoreSite, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    an_execution("later")

    def refusal(*options: str) -> str:
        ended = restore_site(archive, "--confirm", *options)
        assert (ended.code, statuses()["later"], folders(own_site)) == (1, "completed", [])
        return ended.err

    heartbeats.beat("worker x:1", Heartbeat.Kind.WORKER, "backups")
    assert "The worker on " in refusal()
    Heartbeat.objects.update(stopped_at=timezone.now())
    running = an_execution("busy", status="running", worker="elsewhere:1", heartbeat_at=timezone.now())
    assert f"The backup {running.pk[:8]} of busy runs" in refusal()
    BackupExecution.objects.filter(pk=running.pk).update(heartbeat_at=timezone.now() - timedelta(days=1))
    known = restoring.MigrationLoader
    monkeypatch.setattr(restoring, "MigrationLoader", lambda _: type("Older", (), {"disk_migrations": {}}))
    assert "admin.0001_initial" in refusal()
    monkeypatch.setattr(restoring, "MigrationLoader", known)
    settings.BACKUP_SIGNING_KEY = SigningKey.generate().file_text
    assert "--accept-unsigned" in refusal()
    # its hooks are programs
    assert "instances.toml comes from an archive" in restore_site(archive, "--accept-unsigned").out
    assert restore_site(archive, "--confirm", "--accept-unsigned").code == 0
    assert statuses() == {"site": "interrupted"}


@pytest.mark.parametrize("at", ["database", "migrate"])
def test_what_fails_is_rolled_back(
    at: str, archive: Path, own_site: Path, restore_site: RestoreSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    an_execution("later")
    (own_site / "secrets_key").write_text("another\n")
    replace, calls = OwnSQLite.replace, list[str]()

    def fail(*_: object, **__: object) -> None:
        raise DatabaseError("with a value of a row")

    def fail_once(self: OwnSQLite, *args: object) -> None:
        replace(self, *args)  # type: ignore[arg-type]
        if not calls:
            calls.append("database")
            raise ComponentError("The disk is gone.", hint="Mount it.")

    if at == "migrate":
        monkeypatch.setattr(restoring, "call_command", fail)
    else:
        monkeypatch.setattr(OwnSQLite, "replace", fail_once)
    ended = restore_site(archive, "--confirm")
    assert ended.code == 1
    assert "rolled back" in ended.err
    assert "with a value" not in ended.err
    assert statuses() == {"later": "completed", "site": "completed"}
    assert (own_site / "secrets_key").read_text() == "another\n"
    assert check_unfinished(None) == []


def test_one_that_was_killed_is_reported_until_it_is_done_or_undone(
    archive: Path, own_site: Path, restore_site: RestoreSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(OwnSQLite, "replace", killed)
        # a process that is killed rolls nothing back
        patched.setattr(restoring, "_rolled_back", killed)
        assert restore_site(archive, "--confirm").code != 0
    (first,) = (path for path in folders(own_site) if path.is_dir())
    assert check_unfinished(None)[0].id == "backups.W007"
    undo = ("--undo", first, "--confirm")
    for again in (lambda: restore_site(archive, "--confirm"), lambda: command("restoresite", *undo)):
        (own_site / "replaced" / "unfinished").write_text(str(first))
        (found,) = check_unfinished(None)
        assert (found.id, str(first) in str(found.hint)) == ("backups.W007", True)
        ended = again()
        assert (ended.code, check_unfinished(None)) == (0, []), ended.err


def test_what_the_new_machine_lacks_is_named(
    own_site: Path, restore_site: RestoreSite, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    settings.BACKUP_SITE_VARIABLES = ["ALLOWED_HOSTS", "BACKUP_ENCRYPTION_PASSPHRASE", "TIME_ZONE"]
    monkeypatch.setenv("ALLOWED_HOSTS", "backup.example.org")
    monkeypatch.setenv("BACKUP_ENCRYPTION_PASSPHRASE", "correct horse")
    monkeypatch.setenv("TIME_ZONE", "Europe/Berlin")
    BackupDestination.objects.update(config_json={"password": "sealed:of-no-key"})
    here = BackupDestination(name="here", type="local", encryption="off", created_by="tests")
    here.configure({})
    here.save()
    plain = own_site / "backups" / "here" / backup_now("site", here, by="tests").backup_path
    monkeypatch.delenv("ALLOWED_HOSTS")
    monkeypatch.delenv("BACKUP_ENCRYPTION_PASSPHRASE")
    monkeypatch.setenv("TIME_ZONE", "UTC")
    done = restore_site(plain, "--confirm", "--json")
    assert done.code == 0, done.err
    notes = "\n".join(done.data["notes"])
    assert "ALLOWED_HOSTS was set ('backup.example.org') and is not set here." in notes
    assert "TIME_ZONE was set ('Europe/Berlin') and is set differently here." in notes
    assert "BACKUP_ENCRYPTION_PASSPHRASE was set (a secret)" in notes
    assert "correct horse" not in notes
    assert "No key here opens the secrets of nas" in notes
    assert "holds no keys of the site" in notes


def test_a_damaged_database_is_kept_as_it_is_and_put_back_byte_by_byte(
    own_site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "own.sqlite3"
    path.write_bytes(b"no database at all" * 99)
    monkeypatch.setattr(present, "own_database", lambda: OwnSQLite(path))
    folder = present.keep_present(restoring._exporting)
    assert folder is not None
    path.write_bytes(b"something else")
    present.put_back(folder, restoring._applying)
    assert path.read_bytes() == b"no database at all" * 99
    (folder / "database.sqlite3").write_bytes(b"changed")
    with pytest.raises(BackupError):
        present.kept_state(folder)


def test_a_process_that_has_the_database_open_is_named(home: Path, tmp_path: Path) -> None:
    path = tmp_path / "own.sqlite3"
    path.write_bytes(b"")
    assert OwnSQLite(path).other_users() == []
    with (
        path.open("ab") as file,
        subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=file) as other,
    ):
        assert other.stdin is not None
        assert other.stdout is not None
        # it answers: the program has begun
        other.stdin.write(b"x")
        other.stdin.flush()
        assert other.stdout.read(1) == b"x"
        found = OwnSQLite(path).other_users()
        other.stdin.close()
    assert [f"{other.pid} (cat)" in sentence for sentence in found] == [True]


def test_facts_that_are_no_facts_are_damage(tmp_path: Path) -> None:
    for text in ("", "[]", '{"version": 1}', '{"variables": [{"nme": 1}]}'):
        (tmp_path / "settings.json").write_text(text)
        with pytest.raises(ComponentError):
            facts_module.SiteFacts.read(tmp_path / "settings.json")
