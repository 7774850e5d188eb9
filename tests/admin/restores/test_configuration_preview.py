"""A configuration on the page before a restore: its keys, its parts, and its secrets, which are on no page."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from backups.models import BackupExecution, RestoreExecution
from backups.service.backup.run import run_backup
from backups.service.backup.start import start_backup
from tests.support.pages.admin_pages import url
from tests.support.pages.parsed import page_at
from tests.support.pages.restore_pages import MAY, confirmed
from tests.support.rows import VIEW, a_client, a_destination
from tests.support.sites.browser_site import DEMO_INSTANCE

pytestmark = pytest.mark.django_db
CANARY = "canary-4711-secret"


@pytest.fixture
def client(db: None) -> Client:
    return a_client(VIEW, MAY)


@pytest.fixture
def tacacs(tmp_path: Path, instances: dict[str, Any]) -> Path:
    """A TACACS+ server whose configuration holds a secret."""
    root = shutil.copytree(DEMO_INSTANCE, tmp_path / "tacacs")
    configuration = root / "config" / "tacacs.conf"
    configuration.write_text(f"{configuration.read_text()}\n[probe]\nshared_secret = {CANARY}\nlevel = one\n")
    instances["tacacs-hq"] = {"kind": "tacacs", "root": str(root), "config": "config/tacacs.conf"}
    return root


def backed_up_tacacs() -> BackupExecution:
    return run_backup(start_backup("tacacs-hq", a_destination(), by="alice").pk)


def test_what_was_unticked_stays_so_when_the_page_comes_again(tacacs: Path, client: Client) -> None:
    execution = backed_up_tacacs()
    data = confirmed(execution, "devices", confirm="no")
    page = page_at(client, url(execution, "restore"), data, status=400)
    assert page.ticked("components") == ["devices"]
    assert len(page.inputs("components")) > 1
    assert len(page.all("input", checked="*")) == 1


def test_configurations_are_compared_key_by_key_without_their_secrets(tacacs: Path, client: Client) -> None:
    execution = backed_up_tacacs()
    configuration = tacacs / "config" / "tacacs.conf"
    configuration.write_text(
        configuration.read_text().replace(CANARY, f"{CANARY}-2").replace("level = one", "level = two")
    )
    page = page_at(client, url(execution, "restore"))
    # it is shown for the whole configuration and for its section
    changes = page.component("config").all("table", data_section="configuration")[0]
    assert changes.row("[probe] level").facts("now", "backup") == {"now": "two", "backup": "one"}
    secret = changes.row("[probe] shared_secret")
    assert {secret.field(name).text[:6] for name in ("now", "backup")} == {"••••••"}
    assert CANARY not in page.html
    assert CANARY not in page_at(client, url(execution)).html


def test_no_secret_of_the_instance_comes_from_a_refused_form_either(tacacs: Path, client: Client) -> None:
    execution = backed_up_tacacs()
    (tacacs / "config" / "tacacs.conf").write_text(f"[server\nsecret = {CANARY}\n")
    page = page_at(client, url(execution, "restore"), confirmed(execution, "config", confirm="no"), status=400)
    config = page.component("config")
    assert "not-compared" in page.flags()
    assert "cannot be compared" in config.notice("component").text
    assert CANARY not in page.html


def test_parts_of_a_configuration_are_restored_alone(tacacs: Path, client: Client) -> None:
    execution = backed_up_tacacs()
    page = page_at(client, url(execution, "restore"))
    assert {"config.section:probe", "config.overrides", "config.file"} <= set(page.inputs("components"))
    client.post(url(execution, "restore"), confirmed(execution, "config.section:probe", "config.overrides"))
    assert RestoreExecution.objects.get().components == ["config.section:probe", "config.overrides"]


def test_all_of_a_configuration_and_a_part_of_it_is_refused(tacacs: Path, client: Client) -> None:
    execution = backed_up_tacacs()
    data = confirmed(execution, "config", "config.file")
    page = page_at(client, url(execution, "restore"), data, status=400)
    assert "either config or parts of it" in page.faults()["components"]
    assert not RestoreExecution.objects.exists()


def test_an_invalid_configuration_is_forced_only_by_its_own_tick(tacacs: Path, client: Client) -> None:
    execution = backed_up_tacacs()
    client.post(url(execution, "restore"), confirmed(execution, "config", force_invalid_config="on"))
    assert RestoreExecution.objects.get().force_invalid_config


def test_each_part_of_a_configuration_says_what_it_changes(tacacs: Path, client: Client) -> None:
    execution = backed_up_tacacs()
    file = tacacs / "config" / "tacacs.conf"
    file.write_text(file.read_text().replace("bind_password = ", "bind_password = Hunter-22"))
    page = page_at(client, url(execution, "restore"))
    for part in ("config.section:ldap", "config.file"):
        assert page.component(part).status == "changes"
        assert page.component(part).field("changes").value == "1"
        assert page.component(part).rows() == ["[ldap] bind_password"]
    assert page.component("config.section:server").status == "nothing"
    assert "Hunter" not in page.html
