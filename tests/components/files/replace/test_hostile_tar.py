"""A nested tar of unknown origin is refused whole."""

import io
import random
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from backups.components.files.replacing.replace import replace_tree
from backups.errors import ComponentError
from tests.support.restores.instance_restores import drafts, tree
from tests.support.restores.packed_trees import packed

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
    "attribute with a NUL": member("a", content=b"1", pax_headers={"SCHILY.xattr.user.a\0b": "v"}),
    "longer name than any file system has": member("x" * 1024, tarfile.DIRTYPE),
    "long name of a stranger": member("a/" + "x" * 70_000, content=b"1"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_nested_tar_is_refused_and_the_live_tree_stays(name: str, live: Path, tmp_path: Path) -> None:
    before, around = tree(live), set(tmp_path.rglob("*"))
    archive = tmp_path / "files.tar"
    format_ = tarfile.PAX_FORMAT if name == "attribute with a NUL" else tarfile.GNU_FORMAT
    with tarfile.open(archive, "w", format=format_) as tar:
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
