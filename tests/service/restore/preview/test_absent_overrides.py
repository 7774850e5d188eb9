"""Overrides that a backup lacks are announced as removed only where there are any now."""

from pathlib import Path

import pytest

from backups.service.restore.preview.build import preview
from tests.support.restores.previews import part
from tests.support.site_fixtures import BackUp, Declare

pytestmark = pytest.mark.django_db


def test_overrides_are_removed_only_where_there_are_any(tacacs_root: Path, declare: Declare, back_up: BackUp) -> None:
    declare(
        f'[tacacs-hq]\nkind = "tacacs"\nroot = "{tacacs_root}"\nconfig = "config/tacacs.conf"\n'
        'optional = ["overrides"]\n'
    )
    overrides = tacacs_root / "data" / "config_overrides.db"
    aside = overrides.rename(overrides.with_name("aside"))
    backup = back_up()
    assert not [note for note in part(preview(backup, "tacacs-hq"), "config").notes if "removed" in note]
    aside.rename(overrides)
    assert [note for note in part(preview(backup, "tacacs-hq"), "config").notes if "will be removed" in note]
