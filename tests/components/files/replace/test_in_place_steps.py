"""Trees replaced in place by steps that fail: what is done is reverted, and no live entry is lost with a draft."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from backups.archive.manifest.document import Entry
from backups.components.base import ApplyContext
from backups.components.files.component import FilesComponent
from backups.components.files.replacing.mounted_file import MountedFile
from backups.components.files.replacing.steps import Step, carry_out
from backups.errors import ComponentError, Stranded, Untouched
from backups.lib.filesystem import exchange
from backups.lib.filesystem.walk import DRAFT_INSIDE
from tests.support.file_systems import bound, small_disk
from tests.support.restores.instance_restores import Tree, tree
from tests.support.restores.packed_trees import component_of, packed

ENTRIES = [Entry("files.tar", 1, "", "data", "files")]
Refuse = Callable[[Callable[[str, str], bool]], None]


@pytest.fixture
def live(tmp_path: Path) -> Path:
    root = tmp_path / "service" / "files"
    for name in ("a", "b", "c", "volume"):
        (root / name).mkdir(parents=True)
        (root / name / "file").write_text(name)
    (root / "x").write_text("x")
    (root / "y").write_text("y")
    return root


def change(live: Path) -> None:
    for path in live.rglob("*"):
        if path.is_file():
            path.write_text("changed since")
    (live / "b" / "stray").touch()


def content(live: Path) -> Tree:
    """Return the tree without what a restore builds in it."""
    return {name: about for name, about in tree(live).items() if DRAFT_INSIDE not in name}


def apply(component: FilesComponent, folder: Path) -> None:
    context = ApplyContext(folder, 1.0, lambda _: None)
    component.apply(ENTRIES, context)
    component.verify(ENTRIES, context)


@pytest.fixture
def refuse(monkeypatch: pytest.MonkeyPatch) -> Refuse:
    """Return what makes renames fail for which the function returns True, on a file system that exchanges nothing."""
    monkeypatch.setattr(exchange, "RENAME_EXCHANGE", 1 << 30)
    monkeypatch.setattr(exchange, "PAUSES", (0.0,))
    real = os.rename

    def refusing(refused: Callable[[str, str], bool]) -> None:
        def rename(source: str, target: str, **folders: int) -> None:
            if refused(source, target):
                raise OSError(5, "Input/output error")
            real(source, target, **folders)

        monkeypatch.setattr(os, "rename", rename)

    return refusing


def test_an_entry_that_cannot_be_renamed_back_is_not_removed_with_the_draft_and_the_next_restore_returns_it(
    live: Path, tmp_path: Path, refuse: Refuse, monkeypatch: pytest.MonkeyPatch
) -> None:
    with small_disk(live / "volume", megabytes=1):
        (live / "volume" / "file").write_text("mounted")
        archive = packed(live, tmp_path / "staged")
        change(live)
        before, component = tree(live), component_of(live)
        draft, aside = live.with_name(".files.restoring"), ".b.aside.restoring"
        with monkeypatch.context() as patched:
            patched.setattr(os, "rename", os.rename)
            refuse(lambda _, target: target == "b")
            with pytest.raises(Stranded) as failed:
                apply(component, archive.parent)
        assert failed.value.message == (
            f"{live / 'b'} was renamed to {draft / aside}, and cannot be renamed back: Input/output error."
        )
        assert failed.value.hint.endswith(f"run `mv -nT -- {draft / aside} {live / 'b'}`.")
        assert not failed.value.untouched
        # the step before it was reverted, those after it were not begun
        assert content(live) == {name: about for name, about in before.items() if name.partition("/")[0] != "b"}
        assert {path.name for path in (draft / aside).iterdir()} == {"file", "stray"}
        # whatever the next restore comes to
        (tmp_path / "cut").mkdir()
        (tmp_path / "cut" / "files.tar").write_bytes(archive.read_bytes()[:1000])
        with pytest.raises(ComponentError, match="is cut off"):
            apply(component, tmp_path / "cut")
        assert tree(live) == before
        apply(component, archive.parent)
        assert (live / "b" / "file").read_text() == "b"
        assert not draft.exists()


def test_a_file_is_replaced_without_its_name_being_missing(live: Path, tmp_path: Path, refuse: Refuse) -> None:
    with small_disk(live / "volume", megabytes=1):
        archive = packed(live, tmp_path / "staged")
        change(live)
        before = tree(live)
        seen = []

        def at_x(source: str, target: str) -> bool:
            if source == "y" or target == "y":
                return True
            seen.append((live / "x").read_text())
            return False

        refuse(at_x)
        with pytest.raises(Untouched, match=r"cannot be replaced in place: Input/output error\.$"):
            apply(component_of(live), archive.parent)
        assert set(seen) == {"changed since", "x"}
        assert tree(live) == before


def test_a_draft_of_another_user_gives_nothing_back(live: Path, tmp_path: Path) -> None:
    with small_disk(live, megabytes=1):
        (live / "kept").touch()
        archive = packed(live, tmp_path / "staged")
        draft = live / DRAFT_INSIDE
        draft.mkdir()
        (draft / "planted").touch()
        (draft / ".planted.aside.restoring").touch()
        os.chown(draft, 54_321, 54_321)
        apply(component_of(live), archive.parent)
        assert [path.name for path in live.iterdir()] == ["kept"]


def test_the_other_steps_are_reverted_when_a_mounted_file_is_half_written(
    live: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "source").write_text("mounted")
    with bound(tmp_path / "source", live / "c" / "file"):
        archive = packed(live, tmp_path / "staged")
        change(live)
        before = tree(live)

        def half(_: MountedFile) -> None:
            raise ComponentError("half written.")

        monkeypatch.setattr(MountedFile, "replace", half)
        with pytest.raises(ComponentError, match=r"^half written\.$") as failed:
            apply(component_of(live), archive.parent)
        assert not failed.value.untouched
        assert tree(live) == before


def test_a_signal_between_the_steps_reverts_them(live: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "source").write_text("mounted")
    with bound(tmp_path / "source", live / "c" / "file"):
        archive = packed(live, tmp_path / "staged")
        change(live)
        before = tree(live)

        def ended(_: MountedFile) -> None:
            raise SystemExit(143)

        monkeypatch.setattr(MountedFile, "replace", ended)
        with pytest.raises(SystemExit):
            apply(component_of(live), archive.parent)
        assert tree(live) == before


def test_a_step_that_cannot_be_reverted_keeps_none_of_the_others(live: Path, tmp_path: Path, refuse: Refuse) -> None:
    with small_disk(live / "volume", megabytes=1):
        archive = packed(live, tmp_path / "staged")
        change(live)
        before = tree(live)
        failing = False

        def after_y(source: str, target: str) -> bool:
            nonlocal failing
            failing = failing or target == "y"
            return (failing and "b" in (source, target)) or target == "y"

        refuse(after_y)
        with pytest.raises(Stranded, match=r"cannot be replaced in place: Input/output error\. The changes cannot be"):
            apply(component_of(live), archive.parent)
        after = content(live)
        assert {name for name in {*before, *after} if before.get(name) != after.get(name)} == {"b/file", "b/stray"}
        # what it was before lies in the draft, which stays
        assert (live.with_name(".files.restoring") / "b" / "stray").exists()


def test_an_error_of_a_step_names_what_cannot_be_reverted_too(tmp_path: Path) -> None:
    def fail() -> None:
        raise ComponentError("half written.")

    def stay() -> None:
        raise OSError(5, "Input/output error")

    with pytest.raises(Stranded) as failed:
        carry_out([Step(lambda: None, stay), Step(fail)], tmp_path)
    assert failed.value.message == "half written. The changes before it cannot be reverted: Input/output error."
