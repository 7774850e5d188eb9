"""Members of 8 GiB and more, whose size does not fit into the field of a header: by their headers alone."""

import subprocess
import tarfile
from pathlib import Path

import pytest

from backups.archive.tar.members import header
from backups.archive.tar.stream import Member, TarStream
from backups.components.files.format import header as nested
from tests.support.programs import require

GIB = 1 << 30
SIZES = [8 * GIB - 1, 8 * GIB, 9 * GIB, (1 << 50) + 1]


def by_gnu_tar(headers: bytes, size: int, folder: Path) -> str:
    """Return how GNU tar lists the member; its content is a hole."""
    path = folder / "archive.tar"
    with path.open("wb") as file:
        file.write(headers)
        file.truncate(len(headers) + size + -size % 512 + 1024)
    listed = subprocess.run([require("tar"), "tvf", path], capture_output=True, text=True, check=True)
    path.unlink()
    return listed.stdout.split()[2]


@pytest.mark.parametrize("size", SIZES)
def test_the_size_of_a_member_survives_in_each_format(size: int, tmp_path: Path) -> None:
    info = tarfile.TarInfo("disk.img")
    info.size = size
    # pax as this site writes it, and base-256 as GNU tar does
    for headers in (header("disk.img", size, 0), info.tobuf(tarfile.GNU_FORMAT)):
        assert next(TarStream(iter([headers])).members()) == Member("disk.img", size)
    block = nested.encode(nested.Member("disk.img", nested.FILE, 0o600, 0, 0, 0, size=size))
    assert (len(block), nested.decode(block).size) == (512, size)
    if size < 10 * GIB:
        for headers in (header("disk.img", size, 0), block):
            assert by_gnu_tar(headers, size, tmp_path) == str(size)
