"""Mistakes in the instances file, each named with its instance and key."""

import pytest

from backups.checks.instances.described import check_instances_file
from tests.support.site_fixtures import Declare


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
