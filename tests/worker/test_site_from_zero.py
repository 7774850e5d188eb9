"""The machine is lost: an empty one, an archive file and an identity become the site as it was."""

import json
from pathlib import Path

from tests.support.archives.age_files import IDENTITY, RECIPIENT, identity_file
from tests.support.sites.worker_site import Site

OWN = '\n[site]\nkind = "backupsite"\n'
CALL = "from django.core.management import call_command as call\n"


def lose(site: Site) -> tuple[Path, str]:
    """Give the site a history and a backup of itself; return its archive and public key, which are left of it."""
    instances = site.home / "instances.toml"
    instances.write_text(instances.read_text() + OWN)
    site.env["BACKUP_ENCRYPTION_RECIPIENTS"] = RECIPIENT
    # in one process: each start takes longer than the backups
    *_, key = site.python(
        CALL + "from backups.service.archives.signatures import site_key\n"
        "call('addschedule', 'nightly', '--instance', 'shop-0', '--cron', '0 2 * * *')\n"
        "for name in ('shop-0', 'site', 'shop-0'): call('backup', name)\n"
        "print(site_key().public_key.text)\n"
    ).splitlines()
    (archive,) = (site.home / "backups").rglob("backup-site-*.age")
    return archive, key


def found_again(site: Site, tmp_path: Path, **variables: str) -> tuple[Site, list[str]]:
    """Lose the site, restore it on an empty machine, and return that and the arguments of the command.

    The archives lie where they lay.
    """
    archive, key = lose(site)
    home = {"BACKUP_TRUSTED_KEYS": key, "BACKUP_ROOT": str(site.home / "backups")}
    new = Site(tmp_path / "new", home | variables)
    restore = ["restoresite", str(archive), "--identity", str(identity_file(tmp_path, IDENTITY)), "--confirm"]
    done = json.loads(new.manage(*restore, "--json"))
    assert done["replaced"] is None
    (note,) = [text for text in done["notes"] if "BACKUP_ENCRYPTION_RECIPIENTS" in text]
    assert RECIPIENT in note
    rows = new.rows("SELECT instance, status FROM backup_executions ORDER BY created_at")
    # the one that was made after the backup of the site is not known yet
    assert rows == [("shop-0", "completed"), ("site", "interrupted")]
    assert new.rows("SELECT name FROM backup_schedules") == [("nightly",)]
    assert (new.home / "instances.toml").read_text() == (site.home / "instances.toml").read_text()
    for name in ("secret_key", "secrets_key", "signing.key"):
        assert (new.home / name).read_bytes() == (site.home / name).read_bytes()
    return new, restore


def test_a_site_on_sqlite_works_and_has_its_history(site: Site, tmp_path: Path) -> None:
    new, _ = found_again(site, tmp_path)
    # what cannot be opened is not adopted
    new.env["BACKUP_ENCRYPTION_IDENTITY_FILE"] = str(tmp_path / "identity.txt")
    new.python(CALL + "call('importbackups', 'nas'); call('backup', 'shop-0'); call('tick')")
    adopted = new.rows("SELECT instance FROM backup_executions WHERE adopted ORDER BY instance")
    assert adopted == [("shop-0",), ("site",)]
    assert not new.rows("SELECT 1 FROM backup_executions WHERE status IN ('queued', 'running')")
