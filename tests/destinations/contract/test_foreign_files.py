"""Thousands of files of other programs beside ours."""

import pytest

from tests.destinations.conftest import put
from tests.destinations.contract.places import LocalPlace, Place
from tests.destinations.contract.rclone_place import RclonePlace
from tests.destinations.contract.storage_place import StoragePlace

PATH = "shop/manual/backup.tar.gz"


# those of the other types are planted at a real server, in the tests of their types
@pytest.mark.parametrize("kind", [LocalPlace, RclonePlace, StoragePlace])
def test_thousands_of_foreign_files_are_no_concern(request: pytest.FixtureRequest, kind: type[Place]) -> None:
    place = kind(request)
    with place.open() as destination:
        put(destination, PATH, b"x")
        for number in range(3000):
            place.plant(f"shop/manual/{number:04} of another program.txt", b"")
        assert [file.path for file in destination.list()] == [PATH]
        assert list(destination.list_partials()) == []
        assert destination.stat(PATH).size_bytes == 1
