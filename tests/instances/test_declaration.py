import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from pytest_django import Settings

from backups.checks import check_instances_file, check_sources
from backups.errors import InstanceError
from backups.instances import get_instance, instance_names, inventory
from tests.support.processes.unprivileged_user import open_way, run_as_nobody

Declare = Callable[[str], None]
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


def instance_with(line: str) -> str:
    return f'[hq]\nkind = "tacacs"\nroot = "/srv/tacacs"\nconfig = "tacacs.conf"\n{line}\n'


def component_with(*lines: str) -> str:
    return '[shop]\nkind = "generic"\nroot = "/srv/shop"\n' + "\n".join(lines) + "\n"


MISTAKES = {
    "an unknown key": (instance_with("color = 1"), "[hq] color: The key is unknown."),
    "no kind": ('[hq]\nroot = "/srv"', "[hq] kind: The key is missing."),
    "an unknown kind": ('[hq]\nkind = "radius"\nroot = "/srv"', "[hq] kind: The kind is unknown."),
    "a kind that is no text": (
        '[hq]\nkind = 3\nroot = "/srv"',
        "[hq] kind: The value must be a text that is not empty.",
    ),
    "no root": ('[hq]\nkind = "tacacs"\nconfig = "x"', "[hq] root: The key is missing."),
    "an empty root": ('[hq]\nkind = "tacacs"\nroot = ""', "[hq] root: The value must be a text that is not empty."),
    "a relative root": ('[hq]\nkind = "tacacs"\nroot = "srv"\nconfig = "x"', "[hq] root: The path is not absolute"),
    "a root with a null": (
        '[hq]\nkind = "tacacs"\nroot = "/s\\u0000"\nconfig = "x"',
        "[hq] root: The value must not hold",
    ),
    "no config": ('[hq]\nkind = "tacacs"\nroot = "/srv"', "[hq] config: The key is missing."),
    "a config outside": (
        '[hq]\nkind = "tacacs"\nroot = "/srv"\nconfig = "../etc/passwd"',
        "[hq] config: The path lies outside the root /srv",
    ),
    "components for tacacs": (instance_with("[hq.components.x]"), "[hq] components: The key is unknown"),
    "optional that is no list": (instance_with('optional = "audit"'), "[hq] optional: The value must be a list"),
    "optional with a number": (
        instance_with("optional = [1]"),
        "[hq] optional: The value must be a list of component names.",
    ),
    "optional and unknown": (instance_with('optional = ["nat"]'), "[hq] optional: Component 1 is unknown."),
    "databases that are no table": (instance_with("databases = 1"), "[hq] databases: The databases are a table"),
    "a database of no component": (
        instance_with("[hq.databases]\nconfig = 'x'"),
        "[hq] databases.config: The key is unknown",
    ),
    "a database outside": (
        instance_with("[hq.databases]\naudit = '/var/audit.db'"),
        "[hq] databases.audit: The path lies outside the root /srv/tacacs",
    ),
    "a database that is no text": (
        instance_with("[hq.databases]\naudit = 1"),
        "[hq] databases.audit: The value must be a text",
    ),
    "a relative environment file": (
        instance_with("environment_file = 'etc/env'"),
        "[hq] environment_file: The path is not absolute",
    ),
    "an environment file that is no text": (
        instance_with("environment_file = 1"),
        "[hq] environment_file: The value must be a text",
    ),
    "a queue that is no text": (instance_with("queue = 1"), "[hq] queue: The value must be a text"),
    "an instance that is no table": ("hq = 1", "[hq] An instance is a table"),
    "a name with a space": ('["h q"]\nkind = "tacacs"', "[h q] A name has letters, digits"),
    "a name of 65 letters": (f"[{'a' * 65}]", "A name has letters, digits, '_' and '-', at most 64."),
    "no components": (component_with(), "[shop] components: A generic instance has at least one component."),
    "components that are no table": (component_with("components = 1"), "[shop] components: A generic instance"),
    "a component that is no table": (
        component_with("[shop.components]\na = 1"),
        "components.a: A component is a table",
    ),
    "a component without a kind": (
        component_with('[shop.components.a]\npath = "a"'),
        "components.a.kind: The key is missing.",
    ),
    "a component of an unknown kind": (
        component_with('[shop.components.a]\nkind = "mysql"\npath = "a"'),
        "[shop] components.a.kind: The kind is unknown.",
    ),
    "a component without a path": (
        component_with('[shop.components.a]\nkind = "files"'),
        "[shop] components.a.path: The key is missing.",
    ),
    "a component with an unknown key": (
        component_with('[shop.components.a]\nkind = "files"\npath = "a"\nmode = 7'),
        "[shop] components.a.mode: The key is unknown",
    ),
    "a component outside": (
        component_with('[shop.components.a]\nkind = "files"\npath = "../other"'),
        "[shop] components.a.path: The path lies outside the root /srv/shop",
    ),
    "a component elsewhere": (
        component_with('[shop.components.a]\nkind = "files"\npath = "/etc"'),
        "[shop] components.a.path: The path lies outside the root /srv/shop",
    ),
    "optional that is no boolean": (
        component_with('[shop.components.a]\nkind = "files"\npath = "a"\noptional = "yes"'),
        "[shop] components.a.optional: The value must be true or false.",
    ),
    "a component with the name of the manifest": (
        component_with('[shop.components.Manifest]\nkind = "files"\npath = "a"'),
        "[shop] components.Manifest: 'Manifest' is not a name for a component.",
    ),
    "a component with a leading dash": (
        component_with('[shop.components.-a]\nkind = "files"\npath = "a"'),
        "components.-a: '-a' is not a name for a component.",
    ),
    "two components that differ in case": (
        component_with(*(f'[shop.components.{name}]\nkind = "files"\npath = "a"' for name in ("a", "A"))),
        "[shop] components.A: The name differs from 'a' in upper and lower case only.",
    ),
    "two instances that differ in case": (
        instance_with("") + '[HQ]\nkind = "tacacs"\nroot = "/srv"\nconfig = "x"',
        "[HQ] The name differs from 'hq' in upper and lower case only.",
    ),
    "a name that stands twice": ("[hq]\n[hq]", "instances.toml is not valid TOML: Cannot declare ('hq',) twice"),
    "what is not TOML": ("[hq", "instances.toml is not valid TOML"),
}


@pytest.mark.parametrize(("text", "expected"), MISTAKES.values(), ids=list(MISTAKES))
def test_a_mistake_is_a_check_that_names_instance_and_key(text: str, expected: str, declare: Declare) -> None:
    declare(text)
    messages = check_instances_file(None)
    assert [message.id for message in messages] == ["backups.E001"]
    assert expected in messages[0].msg


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
    declare(SHOP.format(root=shop) + instance_with("color = 1"))
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
