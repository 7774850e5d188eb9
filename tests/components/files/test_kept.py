"""What a tree keeps through a backup, a restore and GNU tar: times, names, depth, links, holes, attributes."""

import errno
import os
import shutil
import struct
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from backups.archive.manifest.document import Entry
from backups.components.base import ApplyContext, ExportContext
from backups.components.files.compare import first_difference
from backups.components.files.component import FilesComponent
from backups.components.files.format.acl import acl_text, acl_value
from backups.components.files.format.sparse import decode_map, encode_map
from backups.components.files.replacing.replace import replace_tree
from backups.components.files.unkept import Unkept
from backups.errors import ComponentError
from backups.lib.filesystem.attributes import attributes_of
from backups.lib.filesystem.folders import remove_tree
from tests.support.file_systems import bare_disk, small_disk
from tests.support.programs import missing, require

DEEP = 1500
GIGABYTES = 500 << 30
ACCESS, DEFAULT = "system.posix_acl_access", "system.posix_acl_default"
LIST = acl_value(b"user::rw-,user:1234:r--,group::r--,mask::rw-,other::---")
CAPABILITY = "security.capability"
# cap_net_bind_service=ep, see linux/capability.h
MAY_BIND = struct.pack("<IIIII", 0x02000001, 1 << 10, 0, 0, 0)
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may set every attribute")


@pytest.fixture
def live(tmp_path: Path) -> Path:
    root = tmp_path / "service" / "data"
    root.mkdir(parents=True)
    return root


@pytest.fixture
def staged(tmp_path: Path) -> Path:
    folder = tmp_path / "staged"
    folder.mkdir()
    return folder


def packed(live: Path, folder: Path) -> Path:
    FilesComponent("data", live, member="data").export(ExportContext(folder, 1.0, lambda _: None))
    return folder / "data.tar"


def unpacked_by_tar(archive: Path, folder: Path) -> Path:
    """Unpack with the stock program, which must have nothing to say."""
    folder.mkdir()
    run = subprocess.run(
        # it finds times before 1970 implausible
        [require("tar"), "-xpf", archive, "-C", folder, "--xattrs", "--xattrs-include=*", "--acls", "--numeric-owner",
         "--warning=no-timestamp"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (run.returncode, run.stderr) == (0, "")
    return folder


def with_attribute(path: Path, name: str, value: bytes) -> None:
    try:
        os.setxattr(path, name, value, follow_symlinks=False)
    except OSError as error:
        if error.errno in (errno.ENOTSUP, errno.EPERM):
            missing(f"this file system or user has no {name}")
        raise


# --- names, times and depth ------------------------------------------------------------------------------------------
@pytest.mark.parametrize("length", [132, 133, 243, 244, 250, 255])
def test_a_component_whose_name_is_as_long_as_a_name_can_be_is_restored(
    length: int, tmp_path: Path, staged: Path
) -> None:
    file, tree = tmp_path / ("f" * length), tmp_path / ("日" * (length // 3) + "t" * (length % 3))
    file.write_text("old")
    tree.mkdir()
    (tree / ("n" * 255)).write_text("old")
    components = [FilesComponent("file", file, member="file"), FilesComponent("data", tree, member="data")]
    parts = [one.export(ExportContext(staged, 1.0, lambda _: None)).parts[0] for one in components]
    file.write_text("new")
    (tree / ("n" * 255)).write_text("new")
    for component, part in zip(components, parts, strict=True):
        entry = Entry(part.name, part.path.stat().st_size, "", "data", component.name)
        component.apply([entry], ApplyContext(staged, 1.0, lambda _: None))
    assert (file.read_text(), (tree / ("n" * 255)).read_text()) == ("old", "old")
    assert {path.name for path in tmp_path.iterdir()} == {file.name, tree.name, "staged"}


TIMES = [2**40, 2**40 + 1, 2**55, -(2**33), -1, 0]


def test_times_that_no_ordinary_header_holds_come_back_to_the_nanosecond(live: Path, staged: Path) -> None:
    with small_disk(live, megabytes=4):
        for seconds in TIMES:
            (live / f"file {seconds}").touch()
            os.utime(live / f"file {seconds}", ns=(0, seconds * 10**9 + 123_456_789))
        (live / "folder").mkdir()
        (live / "folder" / "link").symlink_to("nowhere")
        os.utime(live / "folder" / "link", ns=(0, 987_654_321), follow_symlinks=False)
        os.utime(live / "folder", ns=(0, -1))
        before = {path: path.lstat().st_mtime_ns for path in live.rglob("*")}
        archive = packed(live, staged)
        for path in before:
            os.utime(path, (1, 1), follow_symlinks=False)
        assert replace_tree(archive, live, lambda _: None).notes == []
        assert {path: path.lstat().st_mtime_ns for path in live.rglob("*")} == before
        plain = unpacked_by_tar(archive, live.parent / "plain")
        for seconds in TIMES[-2:]:
            assert (plain / f"file {seconds}").stat().st_mtime_ns == seconds * 10**9 + 123_456_789


def test_a_time_that_the_target_cannot_keep_is_a_warning_by_name(live: Path, staged: Path, tmp_path: Path) -> None:
    with small_disk(live, megabytes=1):
        (live / "file").touch()
        os.utime(live / "file", (2**55, 2**55))
        archive = packed(live, staged)
    target = tmp_path / "target"
    target.mkdir()
    notes = replace_tree(archive, target, lambda _: None).notes
    kept = (target / "file").stat().st_mtime == 2**55
    warning = f"the modification time of {target}/file could not be restored: the file system has no such time"
    assert notes == ([] if kept else [warning])


@pytest.fixture
def deep(live: Path, tmp_path: Path) -> Iterator[Path]:
    # in memory, where thousands of changes take no time
    with small_disk(tmp_path / "service", megabytes=64):
        live.mkdir()
        make_deep(live)
        yield live
        remove_tree(live)


def make_deep(live: Path) -> None:
    here = os.open(live, os.O_RDONLY)
    for _ in range(DEEP):
        os.mkdir("d", dir_fd=here)
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=here))
    os.close(here)


def test_a_tree_deeper_than_python_recurses_is_backed_up_restored_compared_and_removed(
    deep: Path, staged: Path
) -> None:
    assert sys.getrecursionlimit() < DEEP
    archive = packed(deep, staged)
    (deep / "stray").touch()
    done = replace_tree(archive, deep, lambda _: None)
    assert done.notes == []
    assert first_difference(archive, deep, lambda _: None) is None
    assert [path.name for path in deep.parent.iterdir()] == ["data"]
    component = FilesComponent("data", deep, member="data")
    component.remove()
    assert not deep.exists()
    deep.mkdir()


# --- links, holes and attributes -------------------------------------------------------------------------------------
def test_hard_links_stay_one_file(live: Path, staged: Path, tmp_path: Path) -> None:
    (live / "a").write_text("one file")
    (live / "sub").mkdir()
    for name in ("b", "sub/c"):
        (live / name).hardlink_to(live / "a")
    (live / "outside").write_text("x")
    (tmp_path / "elsewhere").hardlink_to(live / "outside")
    archive = packed(live, staged)
    with tarfile.open(archive) as tar:
        assert [tar.getmember(name).linkname for name in ("b", "sub/c")] == ["a", "a"]
    for path in ("a", "b", "sub/c"):
        (live / path).unlink()
        (live / path).write_text("one file")
    assert first_difference(archive, live, lambda _: None) == "b"
    replace_tree(archive, live, lambda _: None)
    assert first_difference(archive, live, lambda _: None) is None
    for root in (live, unpacked_by_tar(archive, tmp_path / "plain")):
        assert len({(root / name).stat().st_ino for name in ("a", "b", "sub/c")}) == 1
        assert ((root / "a").stat().st_nlink, (root / "outside").stat().st_nlink) == (3, 1)
        assert (root / "sub" / "c").read_text() == "one file"


def sparse(path: Path, size: int, *data: tuple[int, bytes]) -> None:
    with path.open("wb") as file:
        file.truncate(size)
        for offset, piece in data:
            file.seek(offset)
            file.write(piece)
    if path.stat().st_blocks * 512 > size // 2:
        missing("this file system has no holes")


def test_a_file_of_500_gigabytes_with_4_kilobytes_of_data_is_backed_up_and_restored(
    live: Path, staged: Path, tmp_path: Path
) -> None:
    sparse(live / "disk.img", GIGABYTES, (0, b"boot"), (300 << 30, b"x" * 4096))
    sparse(live / "empty.img", 10 << 20)
    sparse(live / ("long name " * 20), 1 << 20, ((1 << 20) - 3, b"end"))
    component = FilesComponent("data", live, member="data")
    assert component.source_bytes() < 1 << 20
    began = time.monotonic()
    archive = packed(live, staged)
    assert archive.stat().st_size < 1 << 20
    shutil.rmtree(live)
    live.mkdir()
    replace_tree(archive, live, lambda _: None)
    plain = unpacked_by_tar(archive, tmp_path / "plain")
    for root in (live, plain):
        assert (root / "disk.img").stat().st_size == GIGABYTES
        assert (root / "disk.img").stat().st_blocks * 512 < 1 << 20
        assert (root / "empty.img").stat().st_size == 10 << 20
        assert (root / ("long name " * 20)).read_bytes() == bytes((1 << 20) - 3) + b"end"
        with (root / "disk.img").open("rb") as file:
            assert file.read(5) == b"boot\0"
            file.seek(300 << 30)
            assert file.read(4097) == b"x" * 4096 + b"\0"
        assert first_difference(archive, root, lambda _: None) is None
    with (live / "disk.img").open("r+b") as file:
        file.seek(200 << 30)
        file.write(b"y")
    assert first_difference(archive, live, lambda _: None) == "disk.img"
    assert time.monotonic() - began < 30


def test_a_map_of_holes_is_read_as_it_was_written() -> None:
    many = [(number * 10, 1) for number in range(999)]
    for segments, size in [([], 0), ([], 10**12), ([(0, 3)], 10), ([(5, 5)], 10), (many, 10**4)]:
        text = encode_map(segments, size)
        blocks = iter(text[at : at + 512] for at in range(0, len(text), 512))
        assert decode_map(lambda blocks=blocks: next(blocks), size) == (segments, sum(length for _, length in segments))
        assert next(blocks, None) is None


def test_extended_attributes_and_access_lists_come_back(live: Path, staged: Path, tmp_path: Path) -> None:
    file, folder = live / "file", live / "folder"
    file.touch()
    folder.mkdir()
    for path in (live, file, folder):
        with_attribute(path, "user.origin", b"bytes\0of any = kind\n\xff")
    with_attribute(file, "user.empty", b"")
    with_attribute(file, "user.large", os.urandom(3000))
    with_attribute(file, ACCESS, LIST)
    with_attribute(folder, DEFAULT, acl_value(b"user::rwx,group::r-x,group:4321:rwx,mask::rwx,other::---"))
    before = {path: attributes_of(str(path)) for path in (live, file, folder)}
    archive = packed(live, staged)
    os.removexattr(file, "user.origin")
    assert first_difference(archive, live, lambda _: None) == "file"
    # what the folder above gives to new files does not get into the tree
    with_attribute(live.parent, DEFAULT, acl_value(b"user::rwx,user:99:rwx,group::r-x,mask::rwx,other::---"))
    assert replace_tree(archive, live, lambda _: None).notes == []
    assert {path: attributes_of(str(path)) for path in before} == before
    plain = unpacked_by_tar(archive, tmp_path / "plain")
    assert {path: attributes_of(str(plain / path.relative_to(live))) for path in before} == before


@as_root
def test_capabilities_of_a_program_come_back_unless_the_archive_is_unsigned(
    live: Path, staged: Path, tmp_path: Path
) -> None:
    program, suid, shared = live / "program", live / "suid", live / "shared"
    for path in (program, suid):
        path.touch()
    shared.mkdir()
    os.chown(program, 1234, 1234)
    with_attribute(program, CAPABILITY, MAY_BIND)
    with_attribute(program, "user.kept", b"kept")
    suid.chmod(0o4755)
    shared.chmod(0o2775)
    archive = packed(live, staged)
    assert replace_tree(archive, live, lambda _: None).notes == []
    plain = unpacked_by_tar(archive, tmp_path / "plain")
    for root in (live, plain):
        assert os.getxattr(root / "program", CAPABILITY) == MAY_BIND
        assert ((root / "suid").stat().st_mode & 0o7777, (root / "shared").stat().st_mode & 0o7777) == (0o4755, 0o2775)
    (note,) = replace_tree(archive, live, lambda _: None, trusted=False).notes
    assert note.startswith(f"3 entries of {live} came back without")
    assert attributes_of(str(program)) == {"user.kept": b"kept"}
    assert (suid.stat().st_mode & 0o7777, shared.stat().st_mode & 0o7777) == (0o755, 0o775)
    assert first_difference(archive, live, lambda _: None, trusted=False) is None


@as_root
def test_what_the_target_refuses_is_a_warning_by_name(live: Path, staged: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        (live / name).touch()
        with_attribute(live / name, "user.origin", b"x")
        os.utime(live / name, (1, 1))
    archive = packed(live, staged)
    target = tmp_path / "target"
    with bare_disk(target):
        done = replace_tree(archive, target, lambda _: None)
        assert done.unkept == {"user.origin"}
        (note,) = done.notes
        assert note.startswith(f"user.origin of {target}/a and 1 other entry could not be restored: ")
        assert sorted(path.name for path in target.iterdir()) == ["a", "b"]


# --- untrusted input -------------------------------------------------------------------------------------------------
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


# --- compatibility ---------------------------------------------------------------------------------------------------
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


def test_access_lists_have_the_text_of_star() -> None:
    text = b"user::rw-,user:1234:r-x,group::---,group:7:--x,mask::rwx,other::r--"
    assert acl_text(acl_value(text)) == text


def test_what_was_not_kept_is_noted_once_for_each_thing() -> None:
    unkept, other = Unkept(), Unkept()
    for name in ("a", "b"):
        unkept.add("user.x", name, "no")
    other.add("user.x", "c", "no")
    unkept.include(other)
    assert unkept.notes(Path("/r")) == ["user.x of /r/a and 2 other entries could not be restored: no"]


def test_a_single_file_that_is_replaced_keeps_its_attributes(tmp_path: Path, staged: Path) -> None:
    file = tmp_path / "app.ini"
    file.write_text("old")
    component = FilesComponent("file", file, member="file.ini")
    component.export(ExportContext(staged, 1.0, lambda _: None))
    file.write_text("new")
    with_attribute(file, "user.origin", b"kept")
    with_attribute(file, ACCESS, LIST)
    before = attributes_of(str(file)), file.stat().st_mode
    component.apply([Entry("file.ini", 3, "", "data", "file")], ApplyContext(staged, 1.0, lambda _: None))
    assert file.read_text() == "old"
    assert (attributes_of(str(file)), file.stat().st_mode) == before
