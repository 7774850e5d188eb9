"""Trees on file systems that cannot exchange two names get theirs in steps."""

import os
from pathlib import Path

import pytest

from backups.errors import ComponentError
from backups.lib.filesystem import exchange
from tests.components.files.in_place.trial import Trial
from tests.support.restores.instance_restores import tree


def test_a_file_system_that_cannot_exchange_names_gets_them_in_steps(
    trial: Trial, live: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchange, "RENAME_EXCHANGE", 1 << 30)
    trial.back_up()
    (live / "first").write_text("changed")
    assert trial.restore() == []
    assert (tree(live), trial.drafts()) == (trial.before, [])


def test_a_move_in_steps_that_fails_leaves_the_tree(trial: Trial, live: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange, "RENAME_EXCHANGE", 1 << 30)
    trial.back_up()
    (live / "first").write_text("changed")
    changed, real = tree(live), os.rename

    def rename(source: str, target: str, **folders: int) -> None:
        if target == live.name and source.startswith(".data"):
            monkeypatch.setattr(os, "rename", real)
            raise OSError(5, "Input/output error")
        real(source, target, **folders)

    monkeypatch.setattr(os, "rename", rename)
    with pytest.raises(ComponentError, match="Input/output error"):
        trial.restore()
    assert (tree(live), trial.drafts()) == (changed, [])
