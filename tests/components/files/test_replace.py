"""Trees are restored entry by entry and swapped in one step; a nested tar of unknown origin is refused whole."""

import io
import os
import random
import signal
import stat
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from backups.archive.manifest.document import Entry
from backups.components.base import ApplyContext, ExportContext
from backups.components.files.component import FilesComponent
from backups.components.files.replace import replace_tree
from backups.errors import BackupError, ComponentError, Untouched
from tests.support.paths import PROJECT
from tests.support.processes.unprivileged_user import NOBODY, open_way, run_as_nobody
from tests.support.programs import require
from tests.support.restores.instance_restores import drafts, sha256, tree

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away and mount")


@pytest.fixture
def live(tmp_path: Path) -> Path:
    """A tree with everything that a tree may hold."""
    root = tmp_path / "service" / "files"
    (root / "empty").mkdir(parents=True)
    (root / "deep" / "er" / "est").mkdir(parents=True)
    (root / "deep" / "er" / "file").write_bytes(os.urandom(3_000_000))
    (root / "zero").touch()
    (root / "name with\nline break").write_text("x")
    (root / os.fsdecode(b"\xff\xfe not utf-8")).write_text("y")
    (root / ("long" * 50)).write_text("z")
    (root / "deep" / ("longer" * 30) / ("path" * 50)).mkdir(parents=True)
    (root / "link").symlink_to("deep/er/file")
    (root / "dangling").symlink_to("../" * 30 + "nowhere/" + "far" * 60)
    (root / "to-folder").symlink_to("deep")
    (root / "shared").mkdir(mode=0o700)
    (root / "shared").chmod(0o3775)
    (root / "program").write_bytes(b"#!/bin/sh\n")
    (root / "program").chmod(0o4755)
    (root / "secret").write_text("s")
    (root / "secret").chmod(0o400)
    (root / "old").write_text("o")
    os.utime(root / "old", (981_173_106, 981_173_106))
    os.utime(root / "empty", (1, 1))
    if os.geteuid() == 0:
        os.chown(root / "shared", NOBODY, 12)
        os.lchown(root / "link", 13, NOBODY)
        os.chown(root / "program", NOBODY, NOBODY)
        (root / "program").chmod(0o4755)
    root.chmod(0o751)
    return root


def component_of(path: Path) -> FilesComponent:
    return FilesComponent("files", path, member="files")


def packed(path: Path, folder: Path) -> Path:
    folder.mkdir()
    component_of(path).export(ExportContext(folder, 1.0, lambda _: None))
    return folder / "files.tar"


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


Maker = Callable[[tarfile.TarFile], None]


def member(name: str, type_: bytes = tarfile.REGTYPE, content: bytes = b"", **fields: object) -> Maker:
    def add(tar: tarfile.TarFile) -> None:
        info = tarfile.TarInfo(name)
        info.type, info.size, info.mode = type_, len(content), 0o755
        for field, value in fields.items():
            setattr(info, field, value)
        tar.addfile(info, io.BytesIO(content))

    return add


def both(*makers: Maker) -> Maker:
    def add(tar: tarfile.TarFile) -> None:
        for maker in makers:
            maker(tar)

    return add


HOSTILE = {
    "parent": member("../evil", content=b"x"),
    "parent inside": member("a/../../evil", content=b"x"),
    "absolute": member("/tmp/evil-of-a-test", content=b"x"),
    "root as a file": member(".", content=b"x"),
    "not canonical": member("a//b", content=b"x"),
    "dot": member("./a", content=b"x"),
    "through a link": both(member("a", tarfile.SYMTYPE, linkname="/tmp"), member("a/evil-of-a-test", content=b"x")),
    "through a link to the parent": both(member("a", tarfile.SYMTYPE, linkname=".."), member("a/evil", content=b"x")),
    "link in place of a folder": both(
        member("a", tarfile.DIRTYPE), member("a", tarfile.SYMTYPE, linkname=".."), member("a/evil", content=b"x")
    ),
    "hard link": both(member("a", content=b"x"), member("b", tarfile.LNKTYPE, linkname="a")),
    "hard link out": member("b", tarfile.LNKTYPE, linkname="/etc/passwd"),
    "device": member("null", tarfile.CHRTYPE, devmajor=1, devminor=3),
    "pipe": member("pipe", tarfile.FIFOTYPE),
    "sparse": member("sparse", tarfile.GNUTYPE_SPARSE),
    "contiguous": member("c", tarfile.CONTTYPE, content=b"x"),
    "unknown type": member("u", b"Z", content=b"x"),
    "twice": both(member("a", content=b"1"), member("a", content=b"2")),
    "folder twice": both(member("a", tarfile.DIRTYPE), member("a", tarfile.DIRTYPE)),
    "below a file": both(member("a", content=b"1"), member("a/b", content=b"2")),
    "no folder": member("missing/b", content=b"2"),
    "link without a target": member("a", tarfile.SYMTYPE, linkname=""),
    "impossible owner": member("a", content=b"1", uid=2**33),
    "impossible time": member("a", content=b"1", mtime=2**63),
    "long name of a stranger": member("a/" + "x" * 70_000, content=b"1"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_nested_tar_is_refused_and_the_live_tree_stays(name: str, live: Path, tmp_path: Path) -> None:
    before, around = tree(live), set(tmp_path.rglob("*"))
    archive = tmp_path / "files.tar"
    with tarfile.open(archive, "w", format=tarfile.GNU_FORMAT) as tar:
        HOSTILE[name](tar)
    with pytest.raises(ComponentError) as refused:
        replace_tree(archive, live, lambda _: None)
    assert refused.value.untouched
    assert refused.value.message.startswith("files.tar ")
    assert tree(live) == before
    assert set(tmp_path.rglob("*")) == around | {archive}
    assert not Path("/tmp/evil-of-a-test").exists()


@pytest.mark.parametrize("format_", [tarfile.PAX_FORMAT, tarfile.USTAR_FORMAT])
def test_headers_of_other_formats_are_refused_or_read(format_: int, live: Path, tmp_path: Path) -> None:
    archive = tmp_path / "files.tar"
    with tarfile.open(archive, "w", format=format_) as tar:
        member("a", content=b"1", **({"pax_headers": {"path": "../evil"}} if format_ == tarfile.PAX_FORMAT else {}))(
            tar
        )
    if format_ == tarfile.PAX_FORMAT:
        with pytest.raises(ComponentError, match=r"^files\.tar holds "):
            replace_tree(archive, live, lambda _: None)
    else:
        replace_tree(archive, live, lambda _: None)
        assert (live / "a").read_bytes() == b"1"
    assert not (live.parent / "evil").exists()


@pytest.mark.parametrize("junk", [b"", b"\0" * 100, b"junk" * 1000, b"BZh91AY&SY" + b"\0" * 2000])
def test_what_is_no_tar_at_all_is_refused(junk: bytes, live: Path, tmp_path: Path) -> None:
    before = tree(live)
    archive = tmp_path / "files.tar"
    archive.write_bytes(junk)
    with pytest.raises(ComponentError, match=r"^files\.tar is (cut off|not a tree)"):
        replace_tree(archive, live, lambda _: None)
    assert tree(live) == before


def test_a_nested_tar_cut_at_any_place_is_refused(live: Path, tmp_path: Path) -> None:
    archive = packed(live, tmp_path / "staged")
    whole = archive.read_bytes()
    # the last two blocks only say that it ends
    end = len(whole) - 1024
    chance = random.Random(7)
    before = tree(live)
    for size in [0, 1, 511, 512, end, *(chance.randrange(end) for _ in range(15))]:
        archive.write_bytes(whole[:size])
        with pytest.raises(ComponentError, match=r"^files\.tar is cut off") as refused:
            replace_tree(archive, live, lambda _: None)
        assert refused.value.untouched
    assert tree(live) == before
    assert drafts(live.parent) == []


def test_a_nested_tar_with_any_bit_flipped_never_leads_out_nor_crashes(tmp_path: Path) -> None:
    root = tmp_path / "service" / "files"
    (root / "a").mkdir(parents=True)
    (root / "a" / "b").write_text("b")
    (root / "c").symlink_to("a/b")
    archive = packed(root, tmp_path / "staged")
    whole = archive.read_bytes()
    chance = random.Random(8)
    for _ in range(200):
        spoilt = bytearray(whole)
        spoilt[chance.randrange(len(whole))] ^= 1 << chance.randrange(8)
        archive.write_bytes(spoilt)
        try:
            replace_tree(archive, root, lambda _: None)
        except ComponentError as error:
            assert error.untouched
    assert sorted(path.name for path in tmp_path.iterdir()) == ["service", "staged"]
    assert [path.name for path in (tmp_path / "service").iterdir()] == ["files"]


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


@pytest.mark.parametrize("leftover", ["folder", "file", "link"])
def test_what_an_earlier_attempt_left_is_cleared_away(leftover: str, live: Path, tmp_path: Path) -> None:
    archive, before = packed(live, tmp_path / "staged"), tree(live)
    draft = live.with_name(".files.restoring")
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").touch()
    if leftover == "folder":
        (draft / "sub").mkdir(parents=True)
    elif leftover == "file":
        draft.write_text("x")
    else:
        draft.symlink_to(precious)
    (live / "zero").write_text("changed")
    replace_tree(archive, live, lambda _: None)
    assert tree(live) == before
    assert drafts(live.parent) == []
    assert (precious / "file").exists()


def test_a_stop_while_it_unpacks_leaves_nothing_beside_the_tree(live: Path, tmp_path: Path) -> None:
    archive, before = packed(live, tmp_path / "staged"), tree(live)

    def stop(_delta: int) -> None:
        assert drafts(live.parent) == [".files.restoring"]
        raise BackupError("enough")

    with pytest.raises(BackupError, match=r"^enough$") as stopped:
        replace_tree(archive, live, stop)
    assert stopped.value.untouched
    assert (tree(live), drafts(live.parent)) == (before, [])


KILLED = """
import os, signal, sys
from pathlib import Path
from backups.components.files import replace
def die(*_, **__): os.kill(os.getpid(), signal.SIGKILL)
if sys.argv[3] != "content": setattr(replace, sys.argv[3], die)
replace.replace_tree(Path(sys.argv[1]), Path(sys.argv[2]), die if sys.argv[3] == "content" else lambda _: None)
"""


@pytest.mark.parametrize("moment", ["content", "first_difference", "exchange", "discard_drafts"])
def test_a_kill_leaves_the_old_or_the_new_tree_and_the_next_restore_removes_the_draft(
    moment: str, live: Path, tmp_path: Path
) -> None:
    archive, new = packed(live, tmp_path / "staged"), tree(live)
    (live / "zero").write_text("changed")
    old = tree(live)
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, str(archive), str(live), moment],
        check=False, cwd=PROJECT,
    )  # fmt: skip
    assert killed.returncode == -signal.SIGKILL
    assert tree(live) == (new if moment == "discard_drafts" else old)
    assert drafts(live.parent) == [".files.restoring"]
    replace_tree(archive, live, lambda _: None)
    assert (tree(live), drafts(live.parent)) == (new, [])


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Callable[[Path], None]]:
    points: list[Path] = []

    def mount(point: Path) -> None:
        point.mkdir(exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(point)], check=True)
        points.append(point)

    yield mount
    for point in points:
        subprocess.run(["umount", str(point)], check=True)


@as_root
def test_a_full_disk_is_named_and_nothing_is_left(live: Path, tmp_path: Path, mounted: Callable[[Path], None]) -> None:
    (live / "big").write_bytes(os.urandom(9 << 20))
    archive = packed(live, tmp_path / "staged")
    mounted(tmp_path / "small")
    small = tmp_path / "small" / "files"
    small.mkdir()
    (small / "old").write_text("old")
    with pytest.raises(Untouched, match=r"small/files cannot be written: No space left on device\.$"):
        replace_tree(archive, small, lambda _: None)
    assert [path.name for path in small.parent.iterdir()] == ["files"]
    assert (small / "old").read_text() == "old"


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
        "import os, sys; from pathlib import Path; from backups.components.files.replace import replace_tree\n"
        "os.setgroups([]); os.setgid({nobody}); os.setuid({nobody})\n"
        "for _ in range(2): replace_tree(Path(sys.argv[1]), Path(sys.argv[2]), lambda _: None)"
    )
    assert run_as_nobody(program, str(archive), str(home / "files")) == ""
    theirs = {name: (about[0], *about[3:]) for name, about in tree(home / "files").items()}
    assert theirs == {name: (about[0], *about[3:]) for name, about in tree(live).items()}
    assert {about[1] for about in tree(home / "files").values()} == {NOBODY}
