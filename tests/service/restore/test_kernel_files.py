"""File systems of the kernel in a tree, as in a chroot: left out by name, and never changed."""

import tarfile
from pathlib import Path

import pytest

from backups.checks.instances.described import check_restorable
from backups.errors import Untouched
from backups.service.drill.run import drill
from backups.service.restore.preview.build import preview
from tests.service.restore.test_foreseen import dry_run
from tests.support.archives.stored import file_of
from tests.support.file_systems import kernel_files, small_disk
from tests.support.restores.component_restores import restore
from tests.support.restores.instance_restores import tree
from tests.support.site_fixtures import BackUp, Declare

pytestmark = pytest.mark.django_db(transaction=True)


def names_in(archive: Path, member: str) -> list[str]:
    with tarfile.open(archive) as outer:
        inner = outer.extractfile(outer.getmember(member))
        assert inner is not None
        with tarfile.open(fileobj=inner) as nested:
            return nested.getnames()


def test_they_are_left_out_by_name_and_stay_while_the_tree_is_restored(small_shop: Path, back_up: BackUp) -> None:
    uploads = small_shop / "uploads"
    (uploads / "jail" / "proc").mkdir(parents=True)
    (uploads / "jail" / "etc").mkdir()
    (uploads / "jail" / "etc" / "passwd").write_text("as in the backup")
    unmounted = tree(uploads)
    with kernel_files(uploads / "jail" / "proc"):
        good = back_up("shop")
        assert good.warnings == [f"{uploads}/jail/proc holds files that the kernel makes (proc) and was left out"]
        assert check_restorable(None) == []
        assert {name for name in names_in(file_of(good), "uploads.tar") if "proc" in name} == {"jail/proc"}
        (uploads / "jail" / "etc" / "passwd").write_text("changed")
        (uploads / "stray").touch()
        shown = preview(good, "shop")
        assert shown.refusals == ()
        drill(good, by="tests")
        dry_run(good)
        done = restore(good, "uploads")
        assert [one for one in done.warnings if "jail/proc holds files that the kernel makes (proc) and stays" in one]
        # the process that reads it is in it
        assert (uploads / "jail" / "proc" / "self" / "status").exists()
        assert (uploads / "jail" / "etc" / "passwd").read_text() == "as in the backup"
        assert not (uploads / "stray").exists()
    (uploads / "jail" / "proc").rmdir()
    (uploads / "jail").rename(uploads / "elsewhere")
    restore(good, "uploads")
    # where nothing is mounted the folder for it is made
    now = tree(uploads)
    assert (set(now), now["jail/etc/passwd"]) == (set(unmounted), unmounted["jail/etc/passwd"])


def test_data_that_was_mounted_over_one_is_backed_up(small_shop: Path, back_up: BackUp) -> None:
    jail = small_shop / "uploads" / "jail"
    (jail / "proc").mkdir(parents=True)
    with kernel_files(jail / "proc"), small_disk(jail, megabytes=1):
        (jail / "proc").mkdir()
        (jail / "proc" / "file").write_text("data")
        good = back_up("shop")
        assert good.warnings == []
        assert "jail/proc/file" in names_in(file_of(good), "uploads.tar")


def test_a_component_that_lies_in_one_is_refused(small_shop: Path, back_up: BackUp, declare: Declare) -> None:
    jail = small_shop / "proc"
    jail.mkdir()
    declare(f'''
        [jail]
        kind = "generic"
        root = "{small_shop}"
        [jail.components.settings]
        kind = "files"
        path = "proc/sys/vm"
    ''')
    with kernel_files(jail):
        with pytest.raises(Untouched, match=r"holds files that the kernel makes \(proc\), and no data\.$"):
            back_up("jail")
        (checked,) = check_restorable(None)
        assert checked.id == "backups.W051"
