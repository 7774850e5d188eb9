"""Files of authorities that are none, in each of the ways they are read."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from destinations.exceptions import DestinationConfigError
from destinations.network.certificates import Trust
from destinations.network.endpoint import trusting


@pytest.mark.parametrize("read", [trusting, lambda file: Trust(ca_file=file).context()])
@pytest.mark.parametrize("kind", ["device", "pipe", "folder", "text", "missing"])
def test_what_is_no_file_of_certificates_is_named(tmp_path: Path, read: Callable[[str], object], kind: str) -> None:
    file = tmp_path / kind
    if kind == "pipe":
        os.mkfifo(file)
    elif kind == "folder":
        file.mkdir()
    elif kind == "text":
        file.write_text("canary")
    with pytest.raises(DestinationConfigError) as caught:
        read("/dev/zero" if kind == "device" else str(file))
    assert caught.value.hint
    assert "canary" not in caught.value.text
