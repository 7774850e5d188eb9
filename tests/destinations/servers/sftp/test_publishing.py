"""A name that is taken between the look and the rename."""

from pathlib import Path

import pytest

from destinations.backends.sftp import SftpDestination
from destinations.exceptions import NameTaken
from tests.destinations.conftest import put
from tests.destinations.servers.sftp.conftest import Open

PATH = "shop/manual/backup.tar.gz"


def test_a_rename_that_would_overwrite_is_refused_by_the_server(
    opened: Open, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    destination: SftpDestination = opened()
    put(destination, PATH, b"theirs")
    folder = destination._opened()
    exists, looks = folder.exists, [False]
    # the look finds nothing: what stands then is the rename itself
    monkeypatch.setattr(folder, "exists", lambda path: looks.pop() if looks else exists(path))
    (root / f"{PATH}.t.part").write_bytes(b"ours")
    with pytest.raises(NameTaken):
        folder.publish(f"{PATH}.t.part", PATH)
    assert (root / PATH).read_bytes() == b"theirs"
