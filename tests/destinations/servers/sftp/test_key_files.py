import os
from pathlib import Path

import pytest

from destinations.exceptions import DestinationConfigError
from tests.destinations.servers.sftp.conftest import Open


@pytest.mark.parametrize("option", ["private_key", "known_hosts_file"])
@pytest.mark.parametrize("kind", ["pipe", "device", "huge", "secret"])
def test_a_file_that_is_no_key_is_refused_at_once_and_not_quoted(
    opened: Open, tmp_path: Path, option: str, kind: str
) -> None:
    path = tmp_path / kind
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "huge":
        path.touch()
        os.truncate(path, 1 << 40)
    else:
        path.write_text("root:$6$secret-canary:19000:0:99999:7:::\n")
    others = {"authentication": "key"} if option == "private_key" else {"host_key": ""}
    with pytest.raises(DestinationConfigError) as caught:
        opened(**{option: str(path)}, **others).stat("shop/manual/backup.tar")
    assert caught.value.option == option
    assert "secret-canary" not in caught.value.text
