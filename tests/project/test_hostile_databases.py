"""A whole site whose service has hostile databases: backup, verification, drill, restore and import, as processes.

Each has so much memory and so much CPU, and ends with the status that it should.
"""

import json
import os
import shutil
import signal
import sqlite3
import time
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests.components.sqlite.test_virtual_tables import foreign_tokenizer_fts5, other_content_fts4
from tests.support.databases.hostile_schemas import GIGABYTE, SEARCH, computing, make
from tests.support.programs import missing
from tests.support.sites.command_site import Ended, Site

MEMORY = 1 << 30
CPU_SECONDS = 60
LIMITED = f"""
import resource, runpy, sys
resource.setrlimit(resource.RLIMIT_AS, ({MEMORY}, {MEMORY}))
resource.setrlimit(resource.RLIMIT_CPU, ({CPU_SECONDS}, {CPU_SECONDS}))
sys.argv[0] = "manage.py"
runpy.run_path("manage.py", run_name="__main__")
"""
LONGEST_SECONDS = 45
POLL_SECONDS = 0.1


class Shop(Site):
    """A site whose one instance has a database for each component; its tables are those of `template`."""

    def __init__(self, folder: Path, template: Site) -> None:
        super().__init__(folder)
        self.instance.mkdir(parents=True)
        shutil.copytree(template.home, self.home)
        with closing(sqlite3.connect(self.home / "backupsite.sqlite3")) as connection, connection:
            connection.execute("DELETE FROM backup_executions")

    def furnish(self, *names: str) -> None:
        parts = "".join(f'[shop.components.{name}]\nkind = "sqlite"\npath = "{name}.db"\n' for name in names)
        (self.home / "instances.toml").write_text(f'[shop]\nkind = "generic"\nroot = "{self.instance}"\n{parts}')

    def database(self, name: str) -> Path:
        return self.instance / f"{name}.db"

    def limited(self, *arguments: str, **more: str) -> Ended:
        process = self.start("-c", LIMITED, *arguments, **({"BACKUP_CHECK_TIMEOUT": "1"} | more))
        out, err = process.communicate(timeout=120)
        return Ended(process.returncode, out, err)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        with closing(
            sqlite3.connect(f"file:{self.home}/backupsite.sqlite3?mode=ro", uri=True, timeout=5)
        ) as connection:
            return connection.execute(sql).fetchall()


@pytest.fixture
def shop(tmp_path: Path, site_template: Site) -> Shop:
    return Shop(tmp_path / "site", site_template)


def done(ended: Ended) -> Any:
    assert (ended.code, ended.err) == (0, "")
    return ended.data


def named(warnings: list[str]) -> set[str]:
    return {warning.split(":")[0].removesuffix(" was not checked") for warning in warnings}


def test_a_service_with_hostile_databases_is_backed_up_and_restored(
    shop: Shop, site_template: Site, tmp_path: Path
) -> None:
    computing(shop.database("giga"), GIGABYTE)
    computing(shop.database("name"), "[foo(bar](a)")
    make(shop.database("good"), "CREATE TABLE t(x)", "INSERT INTO t VALUES (1)")
    shop.furnish("giga", "name", "good")
    strange = {"giga.db"}

    backup = done(shop.limited("backup", "shop", "--json"))
    assert (backup["status"], named(backup["warnings"])) == ("completed", strange)
    ((manifest,),) = shop.rows("SELECT manifest_json FROM backup_executions")
    entries = {entry["file"]: entry for entry in json.loads(manifest)["contents"]}
    assert {name for name, entry in entries.items() if "not_checked" in entry} == strange
    assert [item["table"] for item in entries["giga.db"]["not_checked"]] == ["t"]
    assert {name: entry["records"] for name, entry in entries.items()} == {
        "giga.db": 3, "name.db": 3, "good.db": 1,
    }  # fmt: skip

    verified = done(shop.limited("verifybackup", backup["id"], "--json"))
    assert named(verified["warnings"]) == strange
    drill = done(shop.limited("drill", "shop", "--json"))
    assert (drill["verdict"], named(drill["warnings"]) & strange) == ("passed", strange)
    assert drill["sqlite_version"] == json.loads(manifest)["system_info"]["sqlite_version"]

    make(shop.database("giga"), "DELETE FROM plain")
    preview = shop.limited("restore", backup["id"], "--json")
    (giga,) = [item for item in preview.data["preview"]["components"] if item["name"] == "giga"]
    assert [(table["name"], table["now"], table["backup"]) for table in giga["tables"]] == [
        ("plain", 0, 2),
        ("t", 1, 1),
    ]
    restored = done(shop.limited("restore", backup["id"], "--confirm", "--json"))
    assert (restored["status"], named(restored["warnings"]) >= strange) == ("completed", True)
    with closing(sqlite3.connect(shop.database("giga"))) as connection:
        assert connection.execute("SELECT count(*) FROM plain").fetchone() == (2,)

    (archive,) = (shop.home / "backups").rglob("backup-shop-*-manual.tar.gz")
    other = Shop(tmp_path / "other", site_template)
    other.furnish("good")
    imported = done(other.limited("importarchive", str(archive), "--json"))
    assert (imported["status"], named(imported["warnings"])) == ("completed", strange)


def test_a_check_without_end_does_not_keep_a_backup_from_its_own(shop: Shop) -> None:
    computing(shop.database("slow"), SEARCH)
    shop.furnish("slow")
    backup = done(shop.limited("backup", "shop", "--json"))
    assert (backup["status"], named(backup["warnings"])) == ("completed", {"slow.db"})


def checking(shop: Shop) -> bool:
    return ("running", "checking") in shop.rows("SELECT status, stage FROM backup_executions")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_a_backup_that_checks_without_end(shop: Shop, number: signal.Signals, code: int) -> None:
    computing(shop.database("slow"), SEARCH)
    shop.furnish("slow")
    process = shop.start("manage.py", "backup", "shop", BACKUP_CHECK_TIMEOUT="600")
    until = time.monotonic() + LONGEST_SECONDS
    while not checking(shop):
        assert process.poll() is None
        assert time.monotonic() < until
        time.sleep(POLL_SECONDS)
    process.send_signal(number)
    process.communicate(timeout=LONGEST_SECONDS)
    assert process.returncode in (code, -number)
    assert shop.rows("SELECT status, stage FROM backup_executions") == [("interrupted", "checking")]
    assert list((shop.home / "workspaces").glob("*/export")) == []


def with_the_newest_sqlite(shop: Shop, folder: Path) -> dict[str, str]:
    """Return the environment in which every process of the site has the newest SQLite."""
    if find_spec("pysqlite3") is None:
        missing("pysqlite3-binary is not installed")
    folder.mkdir()
    (folder / "sitecustomize.py").write_text("import tests.support.databases.newest_sqlite\n")
    return {"PYTHONPATH": f"{folder}{os.pathsep}{shop.environment()['PYTHONPATH']}"}


def test_what_one_sqlite_backed_up_another_one_restores(shop: Shop, tmp_path: Path) -> None:
    foreign_tokenizer_fts5(shop.database("words"))
    other_content_fts4(shop.database("index"))
    shop.furnish("words", "index")
    newest = with_the_newest_sqlite(shop, tmp_path / "newest")
    backup = done(shop.run("backup", "shop", "--json"))
    before = {path: path.read_bytes()[4096:] for path in shop.instance.iterdir()}
    for name in ("words", "index"):
        make(shop.database(name), "DELETE FROM t")

    strange = {"words.db", "index.db"}
    drill = done(shop.run("drill", "shop", "--json", **newest))
    assert (drill["verdict"], named(drill["warnings"]) & strange) == ("passed", strange)
    ((manifest,),) = shop.rows("SELECT manifest_json FROM backup_executions")
    assert sqlite_version(drill) != sqlite_version(json.loads(manifest)["system_info"])
    unpacked = done(shop.run("restore", backup["id"], "--to", str(tmp_path / "out"), "--json", **newest))
    assert named(unpacked["warnings"]) == strange
    restored = done(shop.run("restore", backup["id"], "--confirm", "--json", **newest))
    assert (restored["status"], named(restored["warnings"]) >= strange) == ("completed", True)
    assert {path: path.read_bytes()[4096:] for path in before} == before
    again = done(shop.run("backup", "shop", "--json", **newest))
    assert (again["status"], named(again["warnings"])) == ("completed", strange)


def sqlite_version(found: dict[str, Any]) -> tuple[int, ...]:
    return tuple(map(int, found["sqlite_version"].split(".")))
