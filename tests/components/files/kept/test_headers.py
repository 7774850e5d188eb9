"""Headers of a packed tree: written as GNU tar does, read of earlier versions, refused where they are hostile."""

import os
import tarfile
from pathlib import Path

import pytest

from backups.components.files.replacing.replace import replace_tree
from backups.errors import ComponentError
from tests.components.files.kept.packed import packed
from tests.support.file_systems import small_disk


def member(name: str, content: bytes = b"", type_: bytes = tarfile.REGTYPE, **records: str) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size, info.type = len(content), type_
    info.pax_headers = records
    return info


def pad(text: bytes) -> bytes:
    return text + bytes(-len(text) % 512)


SPARSE = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": "f"}
HOSTILE = {
    "a map that goes back": ({**SPARSE, "GNU.sparse.realsize": "20"}, pad(b"2\n10\n1\n5\n1\n") + b"xx"),
    "a map behind the end": ({**SPARSE, "GNU.sparse.realsize": "5"}, pad(b"1\n10\n1\n") + b"x"),
    "a map of other data": ({**SPARSE, "GNU.sparse.realsize": "50"}, pad(b"1\n10\n9\n") + b"x"),
    "a map without an end": ({**SPARSE, "GNU.sparse.realsize": "50"}, b"9" * 1024),
    "a map cut off": ({**SPARSE, "GNU.sparse.realsize": "50"}, pad(b"200\n")),
    "more segments than memory": ({**SPARSE, "GNU.sparse.realsize": "50"}, pad(b"99999999999\n")),
    "holes larger than any disk": ({**SPARSE, "GNU.sparse.realsize": str(1 << 60)}, pad(b"0\n")),
    "another format": ({**SPARSE, "GNU.sparse.minor": "1", "GNU.sparse.realsize": "5"}, pad(b"0\n")),
    "a name that leads out": ({**SPARSE, "GNU.sparse.name": "../f", "GNU.sparse.realsize": "5"}, pad(b"0\n")),
    "an access list that is none": ({"SCHILY.acl.access": "user::rwz"}, b""),
    "an access list of an impossible owner": ({"SCHILY.acl.access": "user:99999999999:rwx"}, b""),
    "a record of another program": ({"GNU.volume.label": "x"}, b""),
    "a time that is none": ({"mtime": "1e5"}, b""),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_header_is_refused_and_nothing_is_made(what: str, live: Path, tmp_path: Path) -> None:
    records, content = HOSTILE[what]
    archive = tmp_path / "data.tar"
    header = member("f", content).tobuf(tarfile.PAX_FORMAT)
    info = member("f", content, **records)
    header = info.create_pax_header(info.get_info(), "utf-8") if "mtime" not in records else header_with(info, records)
    archive.write_bytes(header + pad(content) + bytes(1024))
    with pytest.raises(ComponentError, match=r"^data\.tar ") as refused:
        replace_tree(archive, live, lambda _: None)
    assert refused.value.untouched
    assert [path.name for path in live.parent.iterdir()] == ["data"]


def header_with(info: tarfile.TarInfo, records: dict[str, str]) -> bytes:
    extended = tarfile.TarInfo._create_pax_generic_header(records, tarfile.XHDTYPE, "utf-8")  # type: ignore[attr-defined]
    return bytes(extended) + info.tobuf(tarfile.USTAR_FORMAT)


@pytest.mark.parametrize(
    ("first", "target"),
    [("a", "a"), ("a", "b"), ("a", "/etc/passwd"), ("a", "../a"), ("folder", "folder"), ("link", "link"), ("a", "")],
)
def test_a_hard_link_to_anything_but_an_earlier_file_with_a_second_name_is_refused(
    first: str, target: str, live: Path, tmp_path: Path
) -> None:
    kind = {"folder": tarfile.DIRTYPE, "link": tarfile.SYMTYPE}.get(first, tarfile.REGTYPE)
    one, two = member(first, type_=kind), member("z", type_=tarfile.LNKTYPE)
    one.linkname = "/etc/passwd" if first == "link" else ""
    two.linkname = target
    archive = tmp_path / "data.tar"
    archive.write_bytes(one.tobuf(tarfile.GNU_FORMAT) + two.tobuf(tarfile.GNU_FORMAT) + bytes(1024))
    with pytest.raises(ComponentError, match=r"^data\.tar holds 'z', which does not belong in a tree\.$"):
        replace_tree(archive, live, lambda _: None)
    assert list(live.iterdir()) == []


def test_a_tree_without_any_of_this_is_packed_byte_for_byte_as_gnu_tar_has_it(live: Path, staged: Path) -> None:
    (live / "folder").mkdir()
    (live / "folder" / ("long" * 50)).write_text("long")
    (live / "file").write_text("x" * 600)
    (live / "link").symlink_to("far" * 50)
    for path in (*live.rglob("*"), live):
        os.utime(path, (1_600_000_000, 1_600_000_000), follow_symlinks=False)
    archive = packed(live, staged)
    made = staged / "made.tar"
    with tarfile.open(made, "w", format=tarfile.GNU_FORMAT) as tar:
        for name in (".", "file", "folder", "link", "folder/" + "long" * 50):
            info = tar.gettarinfo(live / name, name)
            info.uname = info.gname = ""
            if info.isreg():
                with (live / name).open("rb") as file:
                    tar.addfile(info, file)
            else:
                tar.addfile(info)
    assert made.read_bytes().startswith(archive.read_bytes())


def test_a_tree_of_an_earlier_version_is_read(live: Path, tmp_path: Path) -> None:
    archive = tmp_path / "data.tar"
    with tarfile.open(archive, "w", format=tarfile.GNU_FORMAT) as tar:
        entries = (".", tarfile.DIRTYPE, 5), ("a", tarfile.REGTYPE, 2**41), ("b", tarfile.SYMTYPE, -5)
        for name, type_, mtime in entries:
            info = member(name, type_=type_)
            info.mtime, info.linkname = mtime, "a" if type_ == tarfile.SYMTYPE else ""
            tar.addfile(info)
    with small_disk(live, megabytes=1):
        replace_tree(archive, live, lambda _: None)
        assert [path.lstat().st_mtime for path in (live, live / "a", live / "b")] == [5, 2**41, -5]
