"""What a restore takes away of single files, rows and configurations."""

import os
from pathlib import Path

import pytest

from backups.service.restore.preview.build import preview
from tests.support.databases.sqlite_files import make_database
from tests.support.restores.uploads import look
from tests.support.site_fixtures import BackUp, Declare

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("content", ["open = nope\n", "open = false, and more\n"])
def test_a_single_file_is_compared_by_its_content_whatever_its_date(
    uploads: Path, back_up: BackUp, content: str
) -> None:
    backup = back_up("shop")
    settings = uploads.parent / "settings.ini"
    assert look(backup, "settings").status == "nothing"
    settings.write_text(content)
    os.utime(settings, (1_500_000_000, 1_500_000_000))
    found = look(backup, "settings")
    assert found.status == "loss"
    assert found.lost[0].startswith("the present content of settings.ini (")


def test_rows_that_are_only_counted_are_never_called_safe(tmp_path: Path, declare: Declare, back_up: BackUp) -> None:
    make_database(tmp_path / "orders.db")
    declare(f'[shop]\nkind="generic"\nroot="{tmp_path}"\n[shop.components.orders]\nkind="sqlite"\npath="orders.db"\n')
    backup = back_up("shop")
    found = look(backup, "orders")
    assert (found.status, found.lost, found.loss_unknown) == ("unknown", (), False)
    assert found.assumed == ("Rows are counted, not compared: rows that were changed in place are not found.",)


def test_comments_of_a_configuration_file_are_a_loss(tacacs_root: Path, back_up: BackUp) -> None:
    backup = back_up()
    file = tacacs_root / "config" / "tacacs.conf"
    file.write_text(f"{file.read_text()}\n# the router in the cellar\n")
    shown = preview(backup, "tacacs-hq", ["config.file"])
    assert shown.loss == "What tacacs.conf holds besides its keys, such as comments, will be gone."
    file.write_text(file.read_text().replace("accept_proxy_protocol = true\n", ""))
    shown = preview(backup, "tacacs-hq", ["config.file"])
    assert (shown.loss, shown.status) == ("Nothing is known to be lost.", "unknown")


def test_the_text_of_a_configuration_that_comes_from_a_url_is_not_lost(
    tacacs_root: Path, declare: Declare, back_up: BackUp
) -> None:
    backup = back_up()
    cache = tacacs_root / "data" / "config_baseline_cache.conf"
    cache.write_text(f"{(tacacs_root / 'config' / 'tacacs.conf').read_text()}\n# from the server\n")
    declare(f'[tacacs-hq]\nkind = "tacacs"\nroot = "{tacacs_root}"\nconfig = "https://config.example/tacacs.conf"\n')
    assert preview(backup, "tacacs-hq", ["config"]).loss == "Nothing is known to be lost."
