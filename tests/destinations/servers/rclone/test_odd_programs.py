"""Remotes that ask, programs that hang, and configurations that are none."""

import hashlib
import io
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from destinations.backends.rclone import RcloneDestination
from destinations.exceptions import ConnectionLost, DestinationConfigError
from tests.destinations.conftest import files_below
from tests.destinations.servers.rclone.test_rclone import (
    PATH,
    Open,
    here,
    opened,
    proxy,
    running,
    server,
)

__all__ = ["here", "opened", "proxy", "server"]

DATA = os.urandom(4 * 1024 * 1024)
USES: list[Callable[[RcloneDestination], object]] = [
    lambda destination: list(destination.list()),
    lambda destination: destination.stat(PATH),
    lambda destination: destination.free_space(),
]


def test_a_remote_that_asks_for_a_password_is_said_to(opened: Open, server: dict[str, object]) -> None:
    asking = {name: value for name, value in server.items() if name != "pass"} | {"ask_password": "true"}
    with pytest.raises(DestinationConfigError, match=r"(?i)enter .*password") as caught:
        opened("x", remote=asking).stat(PATH)
    assert "rclone config" in caught.value.hint


@pytest.mark.parametrize("use", USES)
def test_a_program_that_hangs_is_ended(
    opened: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, use: Callable[[RcloneDestination], object]
) -> None:
    destination = opened(tmp_path, remote={"type": "local"})
    monkeypatch.setattr(RcloneDestination, "timeout", 0.05)
    monkeypatch.setattr(RcloneDestination, "retry_delays", ())
    hanging = tmp_path / "bin/rclone"
    hanging.parent.mkdir()
    hanging.write_text("#!/bin/sh\nexec sleep 60\n")
    hanging.chmod(0o755)
    monkeypatch.setenv("PATH", f"{hanging.parent}:{os.environ['PATH']}")
    began = time.monotonic()
    with pytest.raises(ConnectionLost, match="nothing has moved"):
        use(destination)
    # a busy machine may take its time
    assert time.monotonic() - began < 20
    assert running() == []


def test_a_program_that_is_killed_in_the_middle_is_started_again(here: RcloneDestination, tmp_path: Path) -> None:
    killed: list[int] = []

    class Source(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell() >= len(DATA) // 2 and not killed:
                killed.extend(running())
                for pid in killed:
                    os.kill(pid, signal.SIGKILL)
            return super().read(size)

    digest = hashlib.sha256(DATA).hexdigest()
    here.put(Source(DATA), PATH, size=len(DATA), token="t", sha256=digest)
    assert len(killed) == 1
    assert files_below(tmp_path / "stored") == [PATH]
    assert (tmp_path / "stored" / PATH).read_bytes() == DATA


def test_a_device_or_a_pipe_is_no_configuration(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for file in ("/dev/zero", str(tmp_path / "pipe"), str(tmp_path)):
        with pytest.raises(DestinationConfigError, match="not a file") as caught:
            RcloneDestination({"remote": "nas:x", "config_file": file}).stat(PATH)
        assert caught.value.option == "config_file"


@pytest.mark.parametrize(
    "text",
    [
        "root:canary-hash-7:1:2:3\n",
        "[nas]\ntype = local\ncanary-word-7\n",
        "[nas]\ntype = sftp\nhost = x\npass = canary-obscured-7\n",
        "[canary-section-7\n",
    ],
)
def test_no_line_of_a_configuration_is_quoted(tmp_path: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RcloneDestination, "retry_delays", ())
    (tmp_path / "odd.conf").write_text(text)
    with pytest.raises(Exception, match="rclone remote nas") as caught:
        RcloneDestination({"remote": "nas:x", "config_file": str(tmp_path / "odd.conf")}).stat(PATH)
    error: Any = caught.value
    while error is not None:
        assert "canary" not in f"{error} {getattr(error, 'hint', '')}"
        error = error.__cause__
