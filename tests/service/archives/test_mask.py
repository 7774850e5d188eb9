"""Secrets that an earlier version kept in plain with a record are masked for good."""

import json
from pathlib import Path

import pytest
from pytest_django import Settings

from backups.instances.masking import is_masked
from backups.models import BackupExecution
from tests.support.call_commands import command, refused
from tests.support.rows import an_execution
from tests.support.site_fixtures import Declare

pytestmark = pytest.mark.django_db
PLAIN = {
    "environment": {"mail": {"smtp_pass": "canary-1"}},
    "file": {"server": {"port": "49", "door_code": "canary-2"}, "backup": {"note": "tcp://u:canary-3@h/x"}},
    "overrides": {},
}
SHOP = '[shop]\nkind = "generic"\nroot = "/srv/shop"\n{more}components.a = {{kind = "sqlite", path = "a.db"}}\n'


def stored_text() -> str:
    return json.dumps(list(BackupExecution.objects.values_list("config_json", flat=True)))


def test_the_values_are_gone_from_the_database_and_still_compare(declare: Declare) -> None:
    declare(SHOP.format(more='secrets = ["door_code"]\n'))
    rows = [an_execution(config_json=PLAIN) for _ in range(3)]
    an_execution(config_json=None)
    dry = command("maskconfigurations", "--dry-run", "--json").data
    assert (dry, "canary-1" in stored_text()) == ({"checked": 3, "masked": 3, "dry_run": True}, True)

    done = command("maskconfigurations", "--json").data

    assert done == {"checked": 3, "masked": 3, "dry_run": False}
    assert "canary" not in stored_text()
    rows[0].refresh_from_db()
    kept = rows[0].config_json
    assert kept is not None
    assert (kept["file"]["server"]["port"], kept["overrides"]) == ("49", {})
    assert is_masked(kept["environment"]["mail"]["smtp_pass"], "smtp_pass", "canary-1")
    assert not is_masked(kept["environment"]["mail"]["smtp_pass"], "smtp_pass", "another")
    assert command("maskconfigurations", "--json").data["masked"] == 0


def test_more_records_than_a_batch_are_all_masked(declare: Declare, monkeypatch: pytest.MonkeyPatch) -> None:
    declare(SHOP.format(more=""))
    monkeypatch.setattr("backups.service.archives.records.mask.BATCH", 2)
    for _ in range(5):
        an_execution(config_json=PLAIN)
    assert command("maskconfigurations", "--json").data["masked"] == 5
    assert "canary-1" not in stored_text()


def test_nothing_is_masked_by_half_a_list_of_names(home: Path, settings: Settings, declare: Declare) -> None:
    declare("[shop]\nkind = 17\n")
    an_execution(config_json=PLAIN)
    assert "The configurations are not masked: [shop] kind" in refused("maskconfigurations")
    assert "canary-1" in stored_text()
