"""Trees are restored entry by entry and swapped in one step."""

import os
import stat
import subprocess
from pathlib import Path

import pytest

from backups.archive.manifest.document import Entry
from backups.components.base import ApplyContext, ExportContext
from backups.components.files.replacing.replace import replace_tree
from backups.errors import Untouched
from tests.support.processes.unprivileged_user import NOBODY, open_way, run_as_nobody
from tests.support.programs import require
from tests.support.restores.instance_restores import drafts, sha256, tree
from tests.support.restores.packed_trees import as_root, component_of, packed


def times(root: Path) -> dict[str, int]:
    return {str(path.relative_to(root)): int(path.lstat().st_mtime) for path in root.rglob("*")}


def test_a_tree_comes_back_with_modes_owners_times_links_and_empty_folders(live: Path, tmp_path: Path) -> None:
    archive = packed(live, tmp_path / "staged")
    before, then, mode = tree(live), times(live), live.stat().st_mode
    subprocess.run(["find", str(live), "-mindepth", "1", "-delete"], check=True)
    (live / "other").write_text("other")
    live.chmod(0o700)
    replace_tree(archive, live, lambda _: None)
    assert tree(live) == before
    assert times(live) == then
    assert live.stat().st_mode == mode
    assert before["program"][0] == oct(stat.S_IFREG | 0o4755)
    assert drafts(live.parent) == []


def test_a_missing_tree_is_made_with_the_folders_above_it(live: Path, tmp_path: Path) -> None:
    archive = packed(live, tmp_path / "staged")
    elsewhere = tmp_path / "new" / "place" / "files"
    replace_tree(archive, elsewhere, lambda _: None)
    assert tree(elsewhere) == tree(live)
    assert elsewhere.stat().st_mode == live.stat().st_mode


def test_plain_tar_gives_the_same_tree(live: Path, tmp_path: Path) -> None:
    archive = packed(live, tmp_path / "staged")
    plain = tmp_path / "plain"
    plain.mkdir()
    subprocess.run([require("tar"), "-xpf", str(archive), "-C", str(plain)], check=True)
    assert (tree(plain), plain.stat().st_mode) == (tree(live), live.stat().st_mode)


def test_a_file_in_the_place_of_the_tree_is_refused(live: Path, tmp_path: Path) -> None:
    archive = packed(live, tmp_path / "staged")
    live.rename(live.with_name("aside"))
    live.write_text("a file")
    with pytest.raises(Untouched, match=r"is a file, the backup holds a folder\.$"):
        replace_tree(archive, live, lambda _: None)
    assert live.read_text() == "a file"


def test_a_folder_in_the_place_of_the_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "staged").mkdir()
    live = tmp_path / "service"
    live.write_text("text")
    component = component_of(live)
    export = component.export(ExportContext(tmp_path / "staged", 1.0, lambda _: None))
    live.unlink()
    live.mkdir()
    entries = entries_of(export.parts[0].path)
    with pytest.raises(Untouched, match=r"is a folder, the backup holds a file\.$"):
        component.apply(entries, ApplyContext(tmp_path / "staged", 1.0, lambda _: None))


def entries_of(path: Path) -> list[Entry]:
    return [Entry(path.name, path.stat().st_size, sha256(path), "data", "files")]


@as_root
def test_an_ordinary_user_gets_the_tree_as_their_own(live: Path, tmp_path: Path) -> None:
    (live / "secret").chmod(0o644)
    archive = packed(live, tmp_path / "staged")
    home = tmp_path / "home"
    home.mkdir()
    os.chown(home, NOBODY, NOBODY)
    open_way(archive.parent)
    archive.chmod(0o644)
    program = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from backups.components.files.replacing.replace import replace_tree\n"
        "os.setgroups([]); os.setgid({nobody}); os.setuid({nobody})\n"
        "for _ in range(2): replace_tree(Path(sys.argv[1]), Path(sys.argv[2]), lambda _: None)"
    )
    assert run_as_nobody(program, str(archive), str(home / "files")) == ""
    theirs = {name: (about[0], *about[3:]) for name, about in tree(home / "files").items()}
    assert theirs == {name: (about[0], *about[3:]) for name, about in tree(live).items()}
    assert {about[1] for about in tree(home / "files").values()} == {NOBODY}
