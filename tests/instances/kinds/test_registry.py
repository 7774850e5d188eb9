"""A kind of service from outside the package: the one of docs/extending.md, as an app of a site of its own."""

import json
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from backups.checks.instances.described import check_instances_file
from backups.instances.kinds import KINDS, register
from backups.instances.kinds.generic import GenericService
from tests.project.test_documented_examples import example
from tests.support.databases.sqlite_files import make_database, rows_of
from tests.support.site_fixtures import Declare
from tests.support.sites.command_site import Ended, Site

SETTINGS = "from backupsite.settings import *\nINSTALLED_APPS = [*INSTALLED_APPS, 'wiki.apps.WikiConfig']\n"
HANDBOOK = {
    "wiki": {"title": "Handbook", "id": "w-17", "version": "4.2"},
    "storage": {"database": "data/handbook.db"},
    "mail": {"relay": "smtp.example.org user hush", "password": "sesame"},
    "backup": {},
    "backup.schedules.nightly": {"destination": "nas", "schedule": "0 2 * * *"},
}


class WikiSite(Site):
    """A site whose settings install the app `wiki`; its one instance is `handbook`."""

    def environment(self, **more: str) -> dict[str, str]:
        path = f"{super().environment()['PYTHONPATH']}:{self.folder}"
        return super().environment(DJANGO_SETTINGS_MODULE="wiki_site", PYTHONPATH=path) | more

    def manage(self, *arguments: str) -> Ended:
        ended = self.run(*arguments)
        assert ended.code == 0, ended.out + ended.err
        return ended

    @property
    def wiki(self) -> Path:
        return self.folder / "handbook"

    def write(self, settings: dict[str, dict[str, str]]) -> None:
        (self.wiki / "wiki.json").write_text(json.dumps(settings))


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory, migrated_database: Path) -> WikiSite:
    """Return a site with one backup of the wiki, whose code is that of the page."""
    site = WikiSite(tmp_path_factory.mktemp("wiki"))
    package = site.folder / "wiki"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "kind.py").write_text(example("docs/extending.md", "python", "class Wiki(ServiceKind)"))
    (package / "apps.py").write_text(example("docs/extending.md", "python", "class WikiConfig(AppConfig)"))
    (site.folder / "wiki_site.py").write_text(SETTINGS)
    (site.home / "backups").mkdir(mode=0o700, parents=True)
    (site.wiki / "data").mkdir(parents=True)
    (site.wiki / "uploads").mkdir()
    (site.wiki / "uploads" / "logo").write_bytes(b"logo")
    make_database(site.wiki / "data" / "handbook.db", rows=30)
    site.write(HANDBOOK)
    text = example("docs/extending.md", "text", "[handbook]").replace("/srv/handbook", str(site.wiki))
    (site.home / "instances.toml").write_text(text)
    shutil.copy(migrated_database, site.home / "backupsite.sqlite3")
    site.manage("adddestination", "nas", "--type", "local")
    site.manage("backup", "handbook")
    return site


@pytest.fixture
def site(template: WikiSite, tmp_path: Path) -> Iterator[WikiSite]:
    shutil.copytree(template.folder, tmp_path, dirs_exist_ok=True)
    site = WikiSite(tmp_path)
    for file in (site.home / "instances.toml",):
        file.write_text(file.read_text().replace(str(template.folder), str(tmp_path)))
    yield site


def newest(site: WikiSite) -> str:
    return str(site.manage("listbackups", "--json").data[0]["id"])


def test_a_backup_has_the_components_and_the_identity_that_the_kind_names(site: WikiSite) -> None:
    manifest = site.manage("showbackup", newest(site), "--json").data["manifest"]

    assert [entry["component"] for entry in manifest["contents"]] == ["config", "pages", "uploads"]
    assert [entry["file"] for entry in manifest["contents"]] == ["wiki.json", "pages.db", "uploads.tar"]
    assert (manifest["kind"], manifest["backup_metadata"]["instance_id"]) == ("wiki", "w-17")
    assert manifest["system_info"]["server_version"] == "4.2"
    assert manifest["config_info"]["config_hash"]


def test_a_preview_compares_the_configuration_and_masks_what_the_kind_calls_secret(site: WikiSite) -> None:
    changed = {
        **HANDBOOK,
        "wiki": {**HANDBOOK["wiki"], "title": "Notes"},
        "mail": {"relay": "other hush", "password": "x"},
    }
    site.write(changed)

    ended = site.run("restore", newest(site), "--json")

    (config,) = [one for one in ended.data["preview"]["components"] if one["name"] == "config"]
    keys = {(one["section"], one["key"]): (one["now"], one["backup"]) for one in config["configuration"]}
    assert keys[("wiki", "title")] == ("Notes", "Handbook")
    assert keys.keys() == {("wiki", "title"), ("mail", "relay"), ("mail", "password")}
    assert "hush" not in ended.out
    assert "sesame" not in ended.out
    assert config["parts"] == []


def test_a_restore_brings_all_components_back(site: WikiSite) -> None:
    database = site.wiki / "data" / "handbook.db"
    before = rows_of(database)
    with closing(sqlite3.connect(database)) as live:
        live.execute("DELETE FROM orders")
        live.commit()
    (site.wiki / "uploads" / "logo").write_bytes(b"defaced")
    # the settings that name the database are wrong too: the ones in the archive count
    site.write({**HANDBOOK, "storage": {"database": "data/other.db"}})

    site.manage("restore", newest(site), "--confirm")

    assert json.loads((site.wiki / "wiki.json").read_text()) == HANDBOOK
    assert rows_of(database) == before
    assert (site.wiki / "uploads" / "logo").read_bytes() == b"logo"
    assert not (site.wiki / "data" / "other.db").exists()


def test_broken_settings_are_replaced_and_an_undo_brings_them_back(site: WikiSite) -> None:
    (site.wiki / "wiki.json").write_text("{broken")

    restored = site.manage("restore", newest(site), "--confirm", "--json").data

    assert json.loads((site.wiki / "wiki.json").read_text()) == HANDBOOK
    site.manage("restore", "--undo", restored["id"], "--confirm")
    assert (site.wiki / "wiki.json").read_text() == "{broken"


def test_settings_that_the_kind_finds_invalid_are_not_restored(site: WikiSite) -> None:
    site.write({**HANDBOOK, "wiki": {}})
    site.manage("backup", "handbook")

    refused = site.run("restore", newest(site), "--confirm")

    assert refused.code != 0
    assert "[wiki] title is not set" in refused.err


def test_a_drill_judges_the_configuration_by_the_rules_of_the_kind(site: WikiSite) -> None:
    assert site.manage("drill", newest(site), "--json").data["verdict"] == "passed"
    site.write({**HANDBOOK, "wiki": {}})
    site.manage("backup", "handbook")

    failed = site.run("drill", newest(site))
    assert failed.code != 0
    assert "[wiki] title is not set" in failed.err


def test_schedules_in_the_settings_are_declared_ones(site: WikiSite) -> None:
    site.manage("syncconfig", "handbook")

    assert "handbook-nightly" in site.manage("listschedules").out


def test_a_second_kind_of_one_name_is_refused() -> None:
    class Other(GenericService):
        pass

    with pytest.raises(ImproperlyConfigured, match="Two kinds of service are called 'generic'"):
        register(Other)
    assert KINDS["generic"] is GenericService


def test_the_same_kind_may_be_registered_twice() -> None:
    before = dict(KINDS)
    register(GenericService)
    assert before == KINDS


def test_an_unregistered_kind_is_a_mistake_of_its_instance(declare: Declare) -> None:
    declare('[handbook]\nkind = "wiki"\nroot = "/srv/handbook"\n')
    (message,) = check_instances_file(None)
    assert (message.id, message.hint) == ("backups.E001", "Use one of tacacs, generic, backupsite.")
    assert message.msg.startswith("[handbook] kind: ")


def test_a_kind_counts_from_its_registration_on(declare: Declare) -> None:
    """The instances file may have been read before the app of the kind was ready."""

    class Late(GenericService):
        kind = "late"

    declare('[shop]\nkind = "late"\nroot = "/srv"\n[shop.components.a]\nkind = "files"\npath = "a"\n')
    assert len(check_instances_file(None)) == 1
    register(Late)
    try:
        assert check_instances_file(None) == []
    finally:
        del KINDS["late"]
