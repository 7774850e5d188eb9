"""Restores around the archives that are killed, or fail: every archive is there afterwards."""

import os
import signal
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from backups.components.files import component
from backups.components.files.component import FilesComponent
from backups.components.files.replacing import around, swap
from backups.components.files.replacing import replace as component_tree
from backups.errors import Untouched
from backups.runs.recovery.reap import reap
from tests.support.file_systems import flagged
from tests.support.restores.instance_restores import Tree, drafts, queue, restore, the_restore, tree, undo
from tests.support.restores.killed_restores import Victims, killed_at
from tests.support.restores.own_places import Host

pytestmark = pytest.mark.django_db(transaction=True)
# --- killed ---------------------------------------------------------------------------------------------------------
MOMENTS = {
    "before the first step": killed_at(around, "carry_out"),
    "after the first swap": killed_at(swap, "rename_exchange", 1, after=True),
    "before the second swap": killed_at(swap, "rename_exchange", 2),
    "between moves": killed_at(swap.os, "rename", 1, after=True),
    "before modes": killed_at(swap.Metadata, "give", 1),
    "after modes": killed_at(swap.Metadata, "give", 1, after=True),
    "old one is to be removed": killed_at(component, "discard_drafts"),
    "is proven": killed_at(FilesComponent, "verify", after=True),
}


def test_a_restore_around_the_archives_that_is_killed_is_rolled_back_and_every_archive_is_there(
    host: Host, home: Path, workspaces: Callable[[], list[str]], tmp_path: Path
) -> None:
    # a process of its own knows the site by its environment: all lies in the home
    host.root.rename(home / "srv")
    host.root = home / "srv"
    (home / "backups").rename(host.root / "backups")
    (home / "backups").symlink_to(host.root / "backups")
    host.archives = host.root / "backups"
    host.declare(home, "srv")
    (host.root / "zebra").write_text("swapped")
    (host.root / "goes").write_text("comes")
    backup = host.back_up()
    host.back_up("other")
    host.work()
    (host.root / "zebra").write_text("changed")
    (host.root / "goes").unlink()

    def service() -> Tree:
        return {name: about for name, about in tree(host.root).items() if not name.startswith("backups/")}

    new = service()
    with Victims(home) as victims:
        for moment, where in MOMENTS.items():
            before = host.stored()
            code = victims.run(queue(backup, accept_unsigned=True), where)
            assert code == -signal.SIGKILL, (moment, victims.log)
            assert before.items() <= host.stored().items(), moment
            reap()
            assert service() == new, moment
            assert (before.items() <= host.stored().items(), drafts(home), workspaces()) == (True, [], []), moment
            assert the_restore().error_message.endswith(". What it had changed was rolled back."), moment
    done = restore(backup)
    assert (host.root / "zebra").read_text() == "swapped"
    undo(done)
    assert service() == new


def test_a_step_that_fails_takes_the_others_back(host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    host.keep_archives_in(host.root / "backups")
    for number in range(5):
        (host.root / f"f{number}").write_text("old")
    backup = host.back_up()
    for number in range(5):
        (host.root / f"f{number}").write_text("new")
    host.work()
    if os.geteuid() != 0:
        pytest.skip("only root can make a file immutable")
    new, before = tree(host.root / "app") | host.service(), host.stored()
    real = component_tree.replace_in_place
    with ExitStack() as given:

        def protected(*arguments: Any) -> os.stat_result:
            # after the last look at the tree
            given.enter_context(flagged(host.root / "f3", "i"))
            return real(*arguments)

        monkeypatch.setattr(component_tree, "replace_in_place", protected)
        with pytest.raises(Untouched, match=r"cannot be replaced in place: "):
            restore(backup)
    assert [(host.root / f"f{number}").read_text() for number in range(5)] == ["new"] * 5
    assert tree(host.root / "app") | host.service() == new
    assert before.items() <= host.stored().items()
    assert the_restore().error_message.endswith(". Nothing was changed.")
