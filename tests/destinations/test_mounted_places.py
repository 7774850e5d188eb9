"""A mount that shows the folder of a destination under another name does not make a second place of it."""

from pathlib import Path

import pytest

from tests.support.call_commands import command, refused
from tests.support.file_systems import bound
from tests.support.rows import a_destination

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("source", "path", "says"),
    [
        ("nas", "other", "a mount shows that folder"),
        ("nas", "other/deep", "this place lies in it"),
        ("nas/shop", "other", "this place lies in it"),
        ("", "other", "it lies in this place"),
    ],
)
def test_a_folder_that_a_mount_shows_elsewhere_is_the_place_of_its_destination(
    home: Path, tmp_path: Path, source: str, path: str, says: str
) -> None:
    a_destination("nas")
    root = home / "backups"
    (root / "nas" / "shop").mkdir(parents=True)
    (root / "other").mkdir()
    with bound(root / source, root / "other"):
        # the folder need not be there yet
        assert says in refused("adddestination", "second", "--type", "local", "--option", f"path={path}")
    assert command("adddestination", "second", "--type", "local", "--option", f"path={path}").code == 0


def test_a_destination_that_such_a_mount_came_upon_can_be_edited(home: Path) -> None:
    first, second = a_destination("nas"), a_destination("other")
    for one in (first, second):
        (home / "backups" / one.name).mkdir()
    with bound(home / "backups" / "nas", home / "backups" / "other"):
        second.retention_days = 9
        second.full_clean()
