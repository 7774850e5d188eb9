"""Instances in the setting BACKUP_INSTANCES instead of the file."""

from pathlib import Path

import pytest
from pytest_django import Settings

from backups import instances
from backups.instances import instance_names, inventory


def test_the_setting_is_read_again_when_it_has_changed_also_in_place_and_else_not(
    home: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = {"kind": "generic", "root": str(home), "components": {"orders": {"kind": "sqlite", "path": "orders.db"}}}
    settings.BACKUP_INSTANCES = {"shop": shop}
    assert inventory().instances["shop"].component_names == ("orders",)
    with monkeypatch.context() as patch:
        patch.delattr(instances, "parse")
        assert instance_names() == ["shop"]
    shop["components"]["uploads"] = {"kind": "files", "path": "uploads"}  # type: ignore[index]
    assert inventory().instances["shop"].component_names == ("orders", "uploads")
    settings.BACKUP_INSTANCES = {}
    assert instance_names() == []
