"""Restores that would destroy places of the site, or other instances, are refused."""

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest
from pytest_django import Settings

from backups.errors import ComponentError, Untouched
from backups.instances import get_instance
from backups.instances.site_paths import live_components
from backups.lib.filesystem.atomic import discard
from backups.service.restore.dry_run import dry_run_restore
from backups.service.restore.preview.build import preview
from backups.service.restore.request import RestoreRequest
from tests.support.file_systems import bound, small_disk
from tests.support.restores.instance_restores import restore, the_restore
from tests.support.restores.own_places import Host

pytestmark = pytest.mark.django_db(transaction=True)


def test_what_is_in_the_way_of_the_archives_in_the_backup_refuses_the_restore_and_the_dry_run(host: Host) -> None:
    (host.root / "later").write_text("a file")
    backup = host.back_up()
    (host.root / "later").unlink()
    host.keep_archives_in(host.root / "later" / "backups")
    host.work()
    new, before = host.service(), host.stored()
    for attempt in (
        lambda: dry_run_restore(RestoreRequest(source=backup, instance="host", archive_sha256=backup.archive_sha256)),
        lambda: restore(backup),
    ):
        with pytest.raises(Untouched, match=r"later is no folder in the backup, and now leads to archives"):
            attempt()
    assert the_restore().error_message.endswith(". Nothing was changed.")
    assert (host.service(), host.stored()) == (new, before)


def test_a_tree_that_is_a_mount_point_and_holds_archives_is_restored_around_them(
    host: Host, mounted: ExitStack
) -> None:
    backup, old = host.back_up(), host.service()
    mounted.enter_context(bound(host.root, host.root))
    host.keep_archives_in(host.root / "backups")
    host.work()
    before = host.stored()
    dry_run_restore(RestoreRequest(source=backup, instance="host", archive_sha256=backup.archive_sha256))
    assert preview(backup, "host").refusals == ()
    assert restore(backup).status == "completed"
    assert host.service() == old
    assert before.items() <= host.stored().items()


@pytest.mark.parametrize("path", ["home/backups", "home/backups/nas", "home/workspaces", "home"])
def test_a_component_in_a_place_of_the_site_is_refused(
    path: str, host: Host, tmp_path: Path, declare: Callable[[str], None]
) -> None:
    backup = host.back_up()
    host.declare(tmp_path, path)
    before = host.stored()
    if path == "home":
        assert host.back_up().status == "completed"
        return
    with pytest.raises(ComponentError, match=r"^all: .* lies where this site keeps its (archives|workspaces)"):
        host.back_up()
    with pytest.raises(ComponentError, match=r"lies where this site keeps its"):
        restore(backup)
    assert the_restore().error_message.endswith(". Nothing was changed.")
    assert before.items() <= host.stored().items()


def test_a_database_of_a_service_that_is_the_sites_own_is_refused(
    host: Host, tmp_path: Path, declare: Callable[[str], None], settings: Settings
) -> None:
    settings.BACKUP_KEY_FILES = [tmp_path / "other" / "orders.db"]
    with pytest.raises(ComponentError, match=r"^orders: .*orders\.db lies where this site keeps its keys"):
        host.back_up("other")


def test_a_tree_that_holds_another_instance_is_refused(host: Host, tmp_path: Path) -> None:
    host.other.rename(host.root / "other")
    host.other = host.root / "other"
    host.declare(tmp_path, "srv")
    with pytest.raises(ComponentError, match=r"^all: .*srv/other of instance other lies in .*srv\.$"):
        host.back_up()
    assert host.back_up("other").status == "completed"


def test_taking_a_tree_away_empties_no_disk_that_is_mounted_in_it(host: Host, mounted: ExitStack) -> None:
    (host.root / "disk").mkdir()
    mounted.enter_context(small_disk(host.root / "disk", megabytes=1))
    (host.root / "disk" / "precious").write_text("precious")
    (component,) = live_components(get_instance("host"))
    with pytest.raises(ComponentError, match=r"disk in it is a mount point\.$"):
        component.remove()
    with pytest.raises(OSError, match="a file system is mounted in it"):
        discard(host.root)
    assert (host.root / "disk" / "precious").read_text() == "precious"
    assert (host.root / "app" / "data").exists()
