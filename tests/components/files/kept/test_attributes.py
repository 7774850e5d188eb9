"""Extended attributes, access lists and capabilities come back, and what does not is a warning by name."""

import os
import struct
from pathlib import Path

import pytest

from backups.archive.manifest.document import Entry
from backups.components.base import ApplyContext, ExportContext
from backups.components.files.compare import first_difference
from backups.components.files.component import FilesComponent
from backups.components.files.format.acl import acl_text, acl_value
from backups.components.files.replacing.replace import replace_tree
from backups.components.files.unkept import Unkept
from backups.lib.filesystem.attributes import attributes_of
from tests.components.files.kept.packed import packed, unpacked_by_tar, with_attribute
from tests.support.file_systems import bare_disk

ACCESS, DEFAULT = "system.posix_acl_access", "system.posix_acl_default"
LIST = acl_value(b"user::rw-,user:1234:r--,group::r--,mask::rw-,other::---")
CAPABILITY = "security.capability"
# cap_net_bind_service=ep, see linux/capability.h
MAY_BIND = struct.pack("<IIIII", 0x02000001, 1 << 10, 0, 0, 0)
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may set every attribute")


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
