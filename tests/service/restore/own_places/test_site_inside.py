"""A site inside the tree that it restores."""

import shutil
from pathlib import Path

import pytest

from tests.support.restores.instance_restores import sha256
from tests.support.sites.command_site import Site

pytestmark = pytest.mark.django_db(transaction=True)
# --- a whole site inside what it backs up ----------------------------------------------------------------------------
SITE = """\
[all]
kind = "generic"
root = "{root}"
[all.components.all]
kind = "files"
path = "srv"
"""


def test_a_site_inside_the_tree_that_it_restores_keeps_archives_database_keys_and_logs(
    tmp_path: Path, migrated_database: Path
) -> None:
    site = Site(tmp_path)
    site.home, site.instance = tmp_path / "srv" / "site", tmp_path / "srv"
    site.home.mkdir(mode=0o700, parents=True)
    (site.home / "backups").mkdir(mode=0o700)
    (site.home / "instances.toml").write_text(SITE.format(root=tmp_path))
    (tmp_path / "srv" / "data").write_text("old")
    secret = site.home / "pass.phrase"
    secret.write_text("correct horse battery staple")
    secret.chmod(0o600)
    more = {"BACKUP_ENCRYPTION_PASSPHRASE_FILE": str(secret), "BACKUP_WORKSPACE_ROOT": str(site.home / "work")}

    def run(*arguments: str) -> str:
        ended = site.run(*arguments, **more)
        assert ended.code == 0, ended.err
        return ended.out

    shutil.copy(migrated_database, site.home / "backupsite.sqlite3")
    run("adddestination", "nas", "--type", "local")
    run("backup", "all")
    (listed,) = site.run("listbackups", "--json", **more).data
    first = site.run("showbackup", listed["id"], "--json", **more).data
    assert {one["what"] for one in first["manifest"]["left_out"]} == {
        "archives", "workspaces", "database", "keys", "logs",
    }  # fmt: skip
    run("backup", "all")
    (tmp_path / "srv" / "data").write_text("new")
    (tmp_path / "srv" / "came").write_text("came")
    keys = {
        name: (site.home / name).read_bytes() for name in ("secret_key", "secrets_key", "signing.key", "pass.phrase")
    }
    log = (site.home / "backupsite.log").read_text()
    stored = {path: sha256(path) for path in (site.home / "backups").rglob("*.age")}
    assert len(stored) == 2

    run("restore", first["id"], "--confirm")
    assert (tmp_path / "srv" / "data").read_text() == "old"
    assert not (tmp_path / "srv" / "came").exists()
    assert {path: sha256(path) for path in stored} == stored
    assert {name: (site.home / name).read_bytes() for name in keys} == keys
    assert (site.home / "backupsite.log").read_text().startswith(log)
    (row,) = site.run("listrestores", "all", "--json", **more).data
    assert row["status"] == "completed"
    assert len(site.run("listbackups", "--json", **more).data) == 3
    run("restore", "--undo", row["id"], "--confirm")
    assert (tmp_path / "srv" / "data").read_text() == "new"
    assert (tmp_path / "srv" / "came").read_text() == "came"
    assert {path: sha256(path) for path in stored} == stored
    run("verifybackup", first["id"])
