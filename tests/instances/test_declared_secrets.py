"""An instance may name secrets of its own, and what an earlier version kept in plain text is not shown."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from pytest_django import Settings

from backups.errors import BackupError
from backups.instances import get_instance, inventory
from backups.instances.masking import is_masked, masked_value
from backups.models import BackupExecution
from backups.service.restore.preview.build import preview
from destinations.lib.redaction import redact
from tests.support.site_fixtures import BackUp, Declare

INSTANCE = """\
[tacacs-hq]
kind = "tacacs"
root = "{root}"
config = "config/tacacs.conf"
secrets = ["door_code"]
[tacacs-hq.hooks]
after_backup = ["{python}", "-c", "print('door_code=Hunter-22 MYSQL_PWD=Hunter-22 Server=a;Pwd=Hunter 22')"]
"""


@pytest.mark.django_db
def test_a_name_that_an_instance_declares_is_hidden_in_preview_hook_output_and_errors(
    tacacs_root: Path, declare: Declare, back_up: BackUp
) -> None:
    declare(INSTANCE.format(root=tacacs_root, python=sys.executable))
    file = tacacs_root / "config" / "tacacs.conf"
    plain = "smtp_pass = {0}\ndbpass = {0}\nold_door_code = {0}\nconn = Server=db;Uid=sa;Pwd={0}\nshipping = by sea\n"
    file.write_text(file.read_text() + "\n[notify]\n" + plain.format("Hunter-22"))
    backup = back_up()
    assert "Hunter" not in str(backup.hook_output)
    assert "Hunter" not in str(BackupExecution.objects.get(pk=backup.pk).config_json)

    file.write_text(file.read_text().replace("Hunter-22", "Hunter-23").replace("by sea", "by air"))

    (config,) = [part for part in preview(backup, "tacacs-hq", ["config"]).components if part.name == "config"]
    shown = {item.key: (item.now, item.backup) for item in config.configuration}
    assert shown.pop("shipping") == ("by air", "by sea")
    assert shown.keys() == {"smtp_pass", "dbpass", "old_door_code", "conn"}
    assert "Hunter" not in str(shown)
    assert all(now != then and "•••••• (" in str(now) and "•••••• (" in str(then) for now, then in shown.values())
    assert shown["conn"][0].startswith("Server=db;Uid=sa;Pwd=•")
    assert "Hunter" not in str(BackupError("refused: door_code=Hunter-22")) + redact("old-door-code: Hunter-22")


@pytest.mark.django_db
def test_what_a_former_version_kept_in_plain_text_is_masked_where_it_is_shown(
    tacacs_root: Path, back_up: BackUp
) -> None:
    backup = back_up()
    kept = backup.config_json
    assert kept is not None
    layer = next(iter(get_instance("tacacs-hq").service.layers))
    kept[layer]["notify"] = {"smtp_pass": "Hunter-22", "gone_pin": "Hunter-22"}
    backup.config_json = kept
    backup.save()
    file = tacacs_root / "config" / "tacacs.conf"
    file.write_text(file.read_text() + "\n[notify]\nsmtp_pass = Hunter-23\n")

    (config,) = [part for part in preview(backup, "tacacs-hq", ["config"]).components if part.name == "config"]

    changed = {item.key: (item.now, item.backup) for item in config.configuration}
    assert changed == {
        "smtp_pass": (masked_value("pw", "Hunter-23"), masked_value("pw", "Hunter-22")),
        "gone_pin": (None, masked_value("pw", "Hunter-22")),
    }


def test_a_longer_or_shorter_list_of_names_makes_no_difference_where_there_is_none(settings: Settings) -> None:
    assert is_masked("Hunter-22", "smtp_pass", "Hunter-22")
    assert is_masked(masked_value("pw", "by sea"), "shipping", "by sea")
    dsn = "Server=db;Uid=sa;Pwd=Hunter-22;token=Hunter-23"
    partly = f"Server=db;Uid=sa;Pwd=Hunter-22;token={masked_value('pw', 'Hunter-23')}"
    assert is_masked(partly, "dsn", dsn) and not is_masked(partly, "dsn", dsn.replace("22", "24"))
    assert masked_value("header", f"Bearer {masked_value('pw', 'x')}") == f"Bearer {masked_value('pw', 'x')}"


@pytest.mark.parametrize("value", ['"door_code"', "[1]", '["12"]', '[""]'])
def test_a_list_of_secrets_that_is_none_is_a_mistake_that_names_the_key(
    value: str, tmp_path: Path, declare: Callable[[str], None]
) -> None:
    component = '[shop.components.a]\nkind = "files"\npath = "a"\n'
    declare(f'[shop]\nkind = "generic"\nroot = "{tmp_path}"\nsecrets = {value}\n{component}')
    (problem,) = inventory().problems
    assert (problem.instance, problem.key) == ("shop", "secrets")
    assert "The value must be" in BackupError(str(problem)).message
