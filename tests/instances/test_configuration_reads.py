"""How often one backup and one restore open the configuration of a service."""

import json
from pathlib import Path

import pytest

from tests.support.sites.command_site import Site, copied

COUNTING = """
import json, os, sys

opened = {}

def hook(event, arguments):
    if event in ("open", "sqlite3.connect") and arguments and isinstance(arguments[0], (str, bytes)):
        path = os.fsdecode(arguments[0]).removeprefix("file:").partition("?")[0]
        opened.setdefault(path, []).append(event)

sys.addaudithook(hook)
import django
django.setup()
from django.core.management import call_command
call_command(*sys.argv[1:])
root = os.environ["SERVICE"]
print(json.dumps({os.path.relpath(path, root): len(opened[path]) for path in opened if path.startswith(root)}))
"""


@pytest.fixture
def site(site_template: Site, tmp_path: Path) -> Site:
    return copied(site_template, tmp_path)


def opens(site: Site, *command: str) -> dict[str, int]:
    """Return how often the process of `command` opened each file of the service."""
    process = site.start("-c", COUNTING, *command, SERVICE=str(site.instance))
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, out + err
    return json.loads(out.splitlines()[-1])  # type: ignore[no-any-return]


def test_a_backup_reads_the_configuration_once_and_copies_it_once(site: Site) -> None:
    found = opens(site, "backup", "tacacs-hq")
    assert found["config/tacacs.conf"] == 2


def test_a_backup_with_the_passphrase_of_the_service_reads_no_more(site: Site) -> None:
    config = site.instance / "config" / "tacacs.conf"
    lines = [
        line
        for line in config.read_text().splitlines()
        if not line.startswith(("encryption_enabled", "encryption_passphrase"))
    ]
    asking = "[backup]\nencryption_enabled = true\nencryption_passphrase = correct horse battery"
    config.write_text("\n".join(lines).replace("[backup]", asking))
    found = opens(site, "backup", "tacacs-hq")
    assert found["config/tacacs.conf"] == 2
    assert list((site.home / "backups").rglob("*.age"))


def test_a_restore_and_its_safety_backup_read_the_configuration_once(site: Site) -> None:
    found = opens(site, "restore", "--file", str(site.backup), "--instance", "tacacs-hq", "--confirm")
    # read, copied by the safety backup, and verified once it is written
    assert found["config/tacacs.conf"] == 1 + 1 + 1
