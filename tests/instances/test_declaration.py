"""The instances file: what it may hold, and what is said of one that cannot be read."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from pytest_django import Settings

from backups.checks.instances.described import check_instances_file, check_sources
from backups.errors import InstanceError
from backups.instances import get_instance, instance_names, inventory
from tests.support.processes.unprivileged_user import open_way, run_as_nobody
from tests.support.site_fixtures import Declare

SHOP = """
[shop]
kind = "generic"
root = "{root}"
[shop.components.orders]
kind = "sqlite"
path = "orders.db"
"""


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    root = tmp_path / "shop"
    root.mkdir()
    (root / "orders.db").touch()
    return root


def test_a_file_that_is_not_utf8_is_one_check(home: Path) -> None:
    (home / "instances.toml").write_bytes('[hq]\nkind = "tacäcs"'.encode("latin-1"))
    (message,) = check_instances_file(None)
    assert message.id == "backups.E001"
    assert "instances.toml cannot be read: byte 16 is not UTF-8" in message.msg


def test_a_file_that_does_not_exist_is_a_warning(home: Path) -> None:
    (home / "instances.toml").unlink()
    (message,) = check_instances_file(None)
    assert (message.id, message.level) == ("backups.W001", 30)
    assert message.msg == f"The instances file {home / 'instances.toml'} does not exist."


def test_a_folder_in_the_place_of_the_file_is_one_check(home: Path) -> None:
    (home / "instances.toml").unlink()
    (home / "instances.toml").mkdir()
    (message,) = check_instances_file(None)
    assert message.msg == f"{home / 'instances.toml'} cannot be read: Is a directory."


READING = """
import os, sys
from pathlib import Path
from backups.instances import read_inventory
os.setgroups([]); os.setgid({nobody}); os.setuid({nobody})
print(*read_inventory(Path(sys.argv[1])).problems)
"""


def test_a_file_that_this_user_may_not_read_is_one_problem(tmp_path: Path) -> None:
    open_way(tmp_path)
    file = tmp_path / "instances.toml"
    file.touch(mode=0o600)
    assert run_as_nobody(READING, str(file)) == f"{file} cannot be read: Permission denied."


def test_a_component_that_leads_out_through_a_symlink_is_refused(declare: Declare, shop: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").mkdir()
    (shop / "uploads").symlink_to(tmp_path / "secret")
    declare(SHOP.format(root=shop) + '[shop.components.up]\nkind = "files"\npath = "uploads"')
    (message,) = check_instances_file(None)
    assert message.msg == f"[shop] components.up.path: The path lies outside the root {shop}."


def test_a_symlink_that_leads_to_itself_is_one_check(declare: Declare, shop: Path) -> None:
    (shop / "loop").symlink_to("loop")
    declare(SHOP.format(root=shop) + '[shop.components.up]\nkind = "files"\npath = "loop/x"')
    messages = [*check_instances_file(None), *check_sources(None)]
    assert len(messages) == 1
    assert messages[0].msg.startswith("[shop] ")
    assert "loop" in messages[0].msg


def test_a_root_that_is_itself_a_symlink_is_fine(declare: Declare, shop: Path, tmp_path: Path) -> None:
    (tmp_path / "current").symlink_to(shop)
    declare(SHOP.format(root=tmp_path / "current"))
    assert inventory().problems == ()
    assert check_sources(None) == []


def test_a_bad_instance_does_not_stop_another_one(declare: Declare, shop: Path) -> None:
    declare(SHOP.format(root=shop) + '[hq]\nkind = "tacacs"\nroot = "/srv/tacacs"\nconfig = "tacacs.conf"\ncolor = 1\n')
    assert instance_names() == ["shop"]
    assert get_instance("shop").service.named_paths() == [shop / "orders.db"]
    with pytest.raises(InstanceError, match=r"^\[hq\] color: The key is unknown\.$"):
        get_instance("hq")


def test_an_unknown_instance_is_refused_with_the_known_ones(declare: Declare, shop: Path, home: Path) -> None:
    declare(SHOP.format(root=shop))
    with pytest.raises(InstanceError, match=r"^There is no instance 'shpo' \(known: shop\)\.$") as refused:
        get_instance("shpo")
    assert refused.value.hint == f"Add it to {home / 'instances.toml'}."


def test_a_changed_file_is_read_again(declare: Declare, shop: Path) -> None:
    assert instance_names() == []
    declare(SHOP.format(root=shop))
    assert instance_names() == ["shop"]


def test_sources_that_are_not_there_are_warnings(declare: Declare, shop: Path) -> None:
    (shop / "orders.db").unlink()
    declare(SHOP.format(root=shop) + '[shop.components.up]\nkind = "files"\npath = "up"\noptional = true')
    (message,) = check_sources(None)
    assert (message.id, message.msg) == ("backups.W002", f"[shop] orders: {shop / 'orders.db'} does not exist.")


def test_a_root_that_is_not_there_is_a_warning(declare: Declare) -> None:
    declare(SHOP.format(root="/nonexistent/shop"))
    (message,) = check_sources(None)
    assert message.msg == "[shop] root: /nonexistent/shop is not a folder that this user can reach."


def test_a_configuration_that_names_a_database_outside_is_a_warning(tacacs_root: Path) -> None:
    config = tacacs_root / "config" / "tacacs.conf"
    config.write_text(config.read_text().replace("data/audit_trail.db", "/etc/audit_trail.db"))
    (message,) = check_sources(None)
    assert message.msg.startswith("[tacacs-hq] [database] audit_trail_db lies outside the root")


def test_overrides_that_lead_out_through_a_symlink_are_a_warning(tacacs_root: Path, tmp_path: Path) -> None:
    overrides = tacacs_root / "data" / "config_overrides.db"
    overrides.rename(tmp_path / "elsewhere.db")
    overrides.symlink_to(tmp_path / "elsewhere.db")
    (message,) = check_sources(None)
    assert "'data/config_overrides.db' lies outside the root" in message.msg


def test_the_demo_instance_passes_every_check(tacacs_root: Path, home: Path) -> None:
    checked = subprocess.run(
        [sys.executable, "manage.py", "check", "--fail-level", "WARNING"],
        env={"PATH": os.environ["PATH"], "BACKUPSITE_HOME": str(home)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (checked.returncode, checked.stderr) == (0, "")
    assert checked.stdout == "System check identified no issues (0 silenced).\n"


def test_instances_may_stand_in_the_settings(settings: Settings, home: Path, shop: Path) -> None:
    component = {"kind": "sqlite", "path": "orders.db"}
    settings.BACKUP_INSTANCES = {"shop": {"kind": "generic", "root": str(shop), "components": {"orders": component}}}
    assert get_instance("shop").component_names == ("orders",)
