"""Where the files of a service are: its working directory, its roots, the folders of a container."""

import re
import shutil
import sqlite3
import tomllib
from contextlib import closing
from pathlib import Path

import pytest

from backups.errors import ComponentError
from backups.instances import get_instance, inventory
from backups.instances.kinds import components_at, components_of
from backups.lib.paths import Root, confined
from backups.lib.site_paths import NO_SITE_PATHS
from tests.project.test_documented_examples import examples
from tests.support.databases.sqlite_files import rows_of
from tests.support.restores.instance_restores import change, restore, tree
from tests.support.site_fixtures import DEMO, BackUp, Declare

PAGE = "docs/instances.md"
VOLUME = "/app/data/devices.db"
CONTAINER = """\
[hq]
kind = "tacacs"
root = "/app"
config = "config/tacacs.conf"
map = {{ "/app/config" = "{root}/config", "/app/data" = "{root}/volume" }}
"""


def documented(name: str, host: Path) -> str:
    """Return the layout `name` of the page, with the folders of this host below `host`."""
    (text,) = [block for block in examples(PAGE, "toml") if f"[{name}]" in block]
    return re.sub(r'"/(?!app)', f'"{host}/', text)


def of_the_page(containing: str, host: Path) -> str:
    (text,) = [block for block in examples(PAGE, "ini") if containing in block]
    return re.sub(r"= /(?!app)", f"= {host}/", text)


def lay_out(host: Path, folders: dict[str, str], ini: str) -> None:
    """Put each file of the demo instance into the folder of this host that `folders` has for its name."""
    for source in [*DEMO.glob("data/*"), DEMO / "config" / "tacacs.conf"]:
        target = host / folders.get(source.name, folders[""])
        target.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target / source.name)
    config = host / folders["tacacs.conf"] / "tacacs.conf"
    config.write_text(ini or "[auth]\nbackends = local\n")
    overrides = host / folders["config_overrides.db"] / "config_overrides.db"
    with closing(sqlite3.connect(overrides)) as connection:
        connection.execute("UPDATE config_overrides SET active = 0")
        connection.commit()


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("layout", "folders", "ini", "devices"),
    [
        (
            "tacacs-folder",
            {"": "opt/tacacs/data", "tacacs.conf": "opt/tacacs/config", "config_overrides.db": "opt/tacacs/data"},
            "",
            "opt/tacacs/data",
        ),
        (
            "tacacs-packaged",
            {
                "": "var/lib/tacacs/data",
                "local_auth.db": "var/lib/tacacs",
                "devices.db": "etc/tacacs",
                "tacacs.conf": "etc/tacacs",
                "config_overrides.db": "var/lib/tacacs/data",
            },
            "/etc/tacacs/devices.db",
            "etc/tacacs",
        ),
        (
            "tacacs-container",
            {
                "": "srv/volumes/tacacs",
                "tacacs.conf": "srv/tacacs/config",
                "config_overrides.db": "srv/volumes/tacacs",
            },
            VOLUME,
            "srv/volumes/tacacs",
        ),
    ],
)
def test_a_layout_of_the_page_is_backed_up_and_restored(
    layout: str,
    folders: dict[str, str],
    ini: str,
    devices: str,
    tmp_path: Path,
    declare: Declare,
    back_up: BackUp,
) -> None:
    host = tmp_path / "host"
    lay_out(host, folders, of_the_page(ini, host) if ini else "")
    declare(documented(layout, host))
    assert inventory().problems == ()
    before = tree(host)
    backup = back_up(layout)
    assert {item["component"] for item in backup.manifest_json["contents"]} >= {"config", "devices", "users", "audit"}
    config, database = host / folders["tacacs.conf"] / "tacacs.conf", host / devices / "devices.db"
    text, rows = config.read_bytes(), rows_of(database, "SELECT count(*) FROM devices")

    config.write_text(config.read_text() + "\n[admin]\nusername = eve\n")
    change(database, "DELETE FROM devices WHERE id > 3")
    restore(backup)

    assert config.read_bytes() == text
    assert rows_of(database, "SELECT count(*) FROM devices") == rows
    made = {name for name in tree(host) if name not in before}
    assert {Path(name).name for name in made if not name.endswith(("-wal", "-shm"))} == {"restart-required.json"}


@pytest.mark.django_db
@pytest.mark.parametrize(
    "value",
    ["/etc/devices.db", "/app/data/../../etc/devices.db", "../outside.db", "/app/logs/devices.db", "data/link.db"],
)
def test_no_path_of_the_configuration_leads_out_of_the_roots(
    value: str, tmp_path: Path, declare: Declare, back_up: BackUp
) -> None:
    lay_out(tmp_path, {"": "volume", "tacacs.conf": "config", "config_overrides.db": "volume"}, "")
    (tmp_path / "volume" / "link.db").symlink_to(VOLUME)
    (tmp_path / "config" / "tacacs.conf").write_text(f"[devices]\ndatabase = {value}\n")
    declare(CONTAINER.format(root=tmp_path))

    with pytest.raises(ComponentError, match="lies outside the roots"):
        back_up("hq")


def test_a_path_is_mapped_by_its_longest_folder_and_only_once(tmp_path: Path) -> None:
    root = Root(
        Path("/data"), (tmp_path, Path("/data")), ((Path("/data"), Path("/data/x")), (Path("/data/y"), tmp_path))
    )

    assert root.on_host("a.db") == Path("/data/x/a.db")
    assert root.on_host("/data/y/../y/a.db") == tmp_path / "a.db"
    assert root.on_host("/database/a.db") == Path("/database/a.db")
    assert root.require(Path("/data/x/a.db")) == Path("/data/x/a.db")


def test_a_path_with_a_nul_character_is_refused_with_its_reason(tmp_path: Path) -> None:
    with pytest.raises(ComponentError, match=r"^\[devices\] database has a NUL character"):
        confined(Root(tmp_path, (tmp_path,)), "data/\0devices.db", name="[devices] database")


def test_a_recorded_path_of_this_host_is_not_mapped_again(tmp_path: Path, declare: Declare) -> None:
    lay_out(tmp_path, {"": "volume", "tacacs.conf": "config", "config_overrides.db": "volume"}, "")
    declare(CONTAINER.format(root=tmp_path).replace("/app", str(tmp_path)))
    service = get_instance("hq").service
    paths = {part.name: str(part.location()) for part in components_of(service, own=NO_SITE_PATHS)}

    again = components_at(service, paths, own=NO_SITE_PATHS)

    assert {part.name: str(part.location()) for part in again} == paths
    assert paths["devices"] == f"{tmp_path}/volume/devices.db"


def test_the_working_directory_is_no_root_unless_it_is_listed(tmp_path: Path) -> None:
    root = Root(tmp_path / "work", (tmp_path / "data",))

    assert confined(root, tmp_path / "data" / "a") == tmp_path / "data" / "a"
    with pytest.raises(ComponentError, match="outside the root"):
        confined(root, "a")


@pytest.mark.parametrize(
    ("line", "key"),
    [
        ('roots = ["var"]', "roots"),
        ("roots = []", "roots"),
        ('roots = "/var"', "roots"),
        ('map = "/app"', "map"),
        ('map = { "app" = "/srv" }', "map"),
        ('map = { "/app" = "srv" }', "map"),
        ('roots = ["/var"]', "config"),
    ],
)
def test_a_mistake_is_named_with_its_key(line: str, key: str, declare: Declare) -> None:
    declare(f'[hq]\nkind = "tacacs"\nroot = "/srv/tacacs"\nconfig = "tacacs.conf"\n{line}\n')

    (problem,) = inventory().problems

    assert problem.key == key


def test_every_layout_of_the_page_is_a_table_of_its_own() -> None:
    tables = tomllib.loads("".join(examples(PAGE, "toml")))
    assert tables.keys() >= {"tacacs-folder", "tacacs-packaged", "tacacs-container"}
