"""rclone with a folder of this machine and with an SSH server: what it says becomes sentences, and nothing is lost."""

import hashlib
import io
import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from backups.lib.processes import descendants
from destinations.backends import create_destination
from destinations.backends.rclone import RcloneDestination
from destinations.backends.rclone.program import RcloneFailed
from destinations.exceptions import (
    ConnectionLost,
    DestinationConfigError,
    DestinationError,
    DestinationFull,
    DestinationUnavailable,
    NameTaken,
    PeerNotTrusted,
    VerificationFailed,
)
from destinations.transfer.upload import Upload
from tests.destinations.conftest import files_below, put
from tests.destinations.servers.sftp.test_host_keys import another
from tests.support.programs import require
from tests.support.servers.proxy import Proxy
from tests.support.servers.running.accounts import FULL, READ_ONLY, SMALL
from tests.support.servers.running.server import Server
from tests.support.servers.sshd import Sshd

MIB = 1024 * 1024
PATH = "shop/manual/backup.tar.gz"
PART = f"{PATH}.token.part"
Open = Callable[..., RcloneDestination]


class Cancelled(BaseException):
    pass


@pytest.fixture
def opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Open]:
    """Return a function that opens a remote of these settings at a folder."""
    monkeypatch.setattr(RcloneDestination, "retry_delays", (0.0,))
    require("rclone")
    with ExitStack() as stack:

        def open_(folder: object, *, established: bool = False, remote: dict[str, object], **options: Any) -> Any:
            file = tmp_path / "rclone.conf"
            file.write_text("\n".join(["[nas]", *(f"{key} = {value}" for key, value in remote.items()), ""]))
            given = {"remote": f"nas:{folder}", "config_file": str(file), **options}
            return stack.enter_context(RcloneDestination(given, established=established))

        yield open_


@pytest.fixture
def here(opened: Open, tmp_path: Path) -> RcloneDestination:
    return opened(tmp_path / "stored", remote={"type": "local"})


@pytest.fixture
def proxy(sshd: Sshd, proxied: Callable[[Server], Proxy]) -> Proxy:
    return proxied(sshd)


@pytest.fixture
def server(sshd: Sshd, proxy: Proxy, tmp_path: Path) -> dict[str, object]:
    """Return the settings of a remote on the SSH server, behind the proxy."""
    (tmp_path / "known_hosts").write_text(sshd.known_hosts(proxy.port))
    return remote_of(proxy, FULL, sshd.password, tmp_path)


def remote_of(proxy: Proxy, user: str, password: str, folder: Path) -> dict[str, object]:
    obscured = subprocess.run(
        [require("rclone"), "obscure", "-"], input=password, capture_output=True, text=True, check=True
    )
    return {
        "type": "sftp",
        "host": proxy.host,
        "port": proxy.port,
        "user": user,
        "pass": obscured.stdout.strip(),
        "known_hosts_file": folder / "known_hosts",
        "shell_type": "unix",
    }


def test_without_the_program_the_line_that_installs_it_is_said(
    here: RcloneDestination, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DestinationConfigError, match="rclone") as caught:
        create_destination("rclone", {"remote": "nas:x"})
    assert "apt install rclone" in caught.value.hint
    with pytest.raises(DestinationConfigError, match="rclone"):
        here.stat(PATH)


@pytest.mark.parametrize(
    "remote",
    ["backups", ":sftp,host=x,pass=canary:y", ":local:/tmp", "-nas:x", "nas:", "nas:/", "nas:a/../b", "nas:a\nb"],
)
def test_only_a_named_remote_and_a_folder_are_taken(remote: str) -> None:
    with pytest.raises(DestinationConfigError) as caught:
        RcloneDestination({"remote": remote})
    assert caught.value.option == "remote"
    assert "canary" not in caught.value.text


def test_a_remote_that_is_not_configured_is_said(here: RcloneDestination, tmp_path: Path) -> None:
    other = RcloneDestination({"remote": "none:x", "config_file": str(tmp_path / "rclone.conf")})
    with pytest.raises(DestinationConfigError, match="none"):
        other.stat(PATH)


def test_the_environment_may_hold_the_remote_and_no_other_option(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    require("rclone")
    monkeypatch.setenv("RCLONE_CONFIG_MINE_TYPE", "local")
    monkeypatch.setenv("RCLONE_CONFIG", str(tmp_path / "none.conf"))
    # stores nothing and says that all went well
    monkeypatch.setenv("RCLONE_DRY_RUN", "true")
    destination = RcloneDestination({"remote": f"mine:{tmp_path}/stored"})
    put(destination, PATH, b"x")
    assert files_below(tmp_path / "stored") == [PATH]


def test_no_secret_is_an_argument_and_none_of_this_site_is_given(
    opened: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BACKUP_SECRETS_KEY", "canary-of-the-site")
    destination = opened(tmp_path / "stored", remote={"type": "local"}, config_password="canary-of-the-file")
    seen: list[tuple[bytes, bytes]] = []

    class Source(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            for pid in descendants(os.getpid()):
                with suppress(OSError):
                    process = Path(f"/proc/{pid}")
                    seen.append(((process / "cmdline").read_bytes(), (process / "environ").read_bytes()))
            return super().read(size)

    destination.put(Source(b"x"), PATH, size=1, token="t")
    # servers of other tests are descendants too
    arguments, environment = next(found for found in seen if b"rcat" in found[0])
    assert b"canary" not in arguments
    assert b"canary-of-the-file" in environment and b"canary-of-the-site" not in environment


def test_files_and_folders_of_this_machine_are_private(here: RcloneDestination, tmp_path: Path) -> None:
    put(here, PATH, b"x")
    assert (tmp_path / "stored" / PATH).stat().st_mode & 0o077 == 0
    assert (tmp_path / "stored" / "shop").stat().st_mode & 0o077 == 0


def test_an_upload_starts_the_program_six_times(here: RcloneDestination, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each start logs in anew; what the remote can do is asked for once."""
    put(here, "shop/manual/before.tar", b"x")
    starts: list[str] = []
    started = here._rclone.started

    def counted(*words: str, **options: Any) -> Any:
        starts.append(next(word for word in words if not word.startswith("-")))
        return started(*words, **options)

    monkeypatch.setattr(here._rclone, "started", counted)
    put(here, PATH, b"x")
    assert starts == ["lsjson", "about", "rcat", "lsjson", "moveto", "lsjson"]


def test_a_remote_that_cannot_rename_is_refused_before_an_upload(here: RcloneDestination) -> None:
    here.__dict__["_features"] = here._features._replace(renames=False)
    with pytest.raises(DestinationUnavailable, match="cannot rename"):
        here.require_reachable()


def test_a_name_that_is_taken_during_the_upload_is_not_overwritten(here: RcloneDestination, tmp_path: Path) -> None:
    target = tmp_path / "stored" / PATH

    class Source(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(b"theirs")
            return super().read(size)

    with pytest.raises(NameTaken):
        here.put(Source(b"ours"), PATH, size=4, token="t", sha256=hashlib.sha256(b"ours").hexdigest())
    assert target.read_bytes() == b"theirs"
    assert files_below(tmp_path / "stored") == [PATH]


@pytest.mark.parametrize("checksums", [True, False])
def test_what_was_altered_on_its_way_is_not_published(
    opened: Open, server: dict[str, object], sshd: Sshd, apart: str, monkeypatch: pytest.MonkeyPatch, checksums: bool
) -> None:
    destination = opened(apart, remote={**server, "disable_hashcheck": not checksums})
    check = RcloneDestination.remote_check
    root = sshd.home(FULL) / apart
    read: list[str] = []
    receive = destination.remote_receive
    monkeypatch.setattr(destination, "remote_receive", lambda *words: (read.append("back"), receive(*words)))

    def alter(self: RcloneDestination, upload: Upload) -> None:
        (root / PART).write_bytes(b"y")
        check(self, upload)

    monkeypatch.setattr(RcloneDestination, "remote_check", alter)
    with pytest.raises(VerificationFailed):
        put(destination, PATH, b"x")
    assert files_below(root) == []
    # by its checksum where the server computes one
    assert read == ([] if checksums else ["back"])


def test_an_upload_to_a_server_that_is_cut_is_begun_anew_and_arrives(
    opened: Open, server: dict[str, object], proxy: Proxy, sshd: Sshd, apart: str
) -> None:
    destination, data = opened(apart, remote=server), os.urandom(3 * MIB)
    proxy.cut(up=2 * MIB)
    put(destination, PATH, data)
    assert (sshd.home(FULL) / apart / PATH).read_bytes() == data
    assert files_below(sshd.home(FULL) / apart) == [PATH]


def test_a_download_that_is_cut_goes_on(opened: Open, server: dict[str, object], proxy: Proxy, apart: str) -> None:
    destination, data, sink = opened(apart, remote=server), os.urandom(3 * MIB), io.BytesIO()
    put(destination, PATH, data)
    proxy.cut(down=2 * MIB)
    assert destination.get(PATH, sink) == len(data)
    assert sink.getvalue() == data


def test_a_server_that_does_not_answer_is_given_up(
    opened: Open, server: dict[str, object], proxy: Proxy, apart: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(RcloneDestination, "timeout", 0.2)
    monkeypatch.setattr(RcloneDestination, "retry_delays", ())
    proxy.mute(down=0)
    with pytest.raises(ConnectionLost):
        opened(apart, remote=server).stat(PATH)


def test_a_server_that_is_not_there_is_never_an_empty_listing(
    opened: Open, server: dict[str, object], proxy: Proxy, apart: str
) -> None:
    destination = opened(apart, remote=server)
    proxy.refuse()
    for use in (destination.list, destination.list_partials):
        with pytest.raises(ConnectionLost, match="refused"):
            list(use())


def test_a_missing_file_of_the_configuration_is_never_an_empty_listing(
    opened: Open, server: dict[str, object], apart: str, tmp_path: Path
) -> None:
    destination = opened(apart, remote=server, established=True)
    (tmp_path / "known_hosts").unlink()
    for use in (lambda: list(destination.list()), lambda: destination.stat(PATH), destination.free_space):
        with pytest.raises(DestinationUnavailable, match="known_hosts"):
            use()


def test_a_folder_that_goes_while_it_is_listed_does_not_cut_the_listing_short(
    here: RcloneDestination, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(here, PATH, b"x")
    started = here._rclone.started

    @contextmanager
    def cut_short(*words: str, **options: Any) -> Iterator[Any]:
        with started(*words, **options) as ends:
            yield ends
        if "-R" in words:
            raise RcloneFailed(3, "directory not found")

    monkeypatch.setattr(here._rclone, "started", cut_short)
    with pytest.raises(DestinationError):
        list(here.list())


def test_a_wrong_password_is_said_without_it(
    opened: Open, server: dict[str, object], proxy: Proxy, apart: str, tmp_path: Path
) -> None:
    wrong = remote_of(proxy, FULL, "canary-wrong-password", tmp_path)
    with pytest.raises(DestinationUnavailable, match="authenticate") as caught:
        opened(apart, remote=wrong).stat(PATH)
    assert "canary" not in caught.value.text and str(wrong["pass"]) not in caught.value.text


def test_a_changed_host_key_is_an_alarm(
    opened: Open, server: dict[str, object], proxy: Proxy, apart: str, tmp_path: Path
) -> None:
    (tmp_path / "known_hosts").write_text(f"[{proxy.host}]:{proxy.port} {another()}\n")
    with pytest.raises(PeerNotTrusted):
        opened(apart, remote=server).stat(PATH)


def test_an_account_that_may_not_write_is_told_so(
    opened: Open, server: dict[str, object], proxy: Proxy, sshd: Sshd, apart: str, tmp_path: Path
) -> None:
    with pytest.raises(DestinationUnavailable, match=r"(?i)permission denied"):
        put(opened(apart, remote=remote_of(proxy, READ_ONLY, sshd.password, tmp_path)), PATH, b"x")


def test_a_disk_without_room_is_said_before_the_first_byte(
    opened: Open, server: dict[str, object], proxy: Proxy, sshd: Sshd, tmp_path: Path
) -> None:
    destination = opened("stored", remote=remote_of(proxy, SMALL, sshd.password, tmp_path))
    (room := destination.free_space()) is not None or pytest.fail("its disk tells no free space")
    with pytest.raises(DestinationFull):
        destination.put(io.BytesIO(bytes(64 * MIB)), PATH, size=64 * MIB, token="t")
    assert room is not None and room <= 8 * MIB


def test_archives_that_were_there_and_are_gone_are_an_error(here: RcloneDestination, tmp_path: Path) -> None:
    put(here, PATH, b"x")
    gone = RcloneDestination(here.options | {"remote": f"nas:{tmp_path}/gone"}, established=True)
    for use in (lambda: list(gone.list()), lambda: put(gone, PATH, b"x")):
        with pytest.raises(DestinationUnavailable, match="gone or empty"):
            use()
    assert not (tmp_path / "gone").exists()


def test_a_folder_that_cannot_be_read_is_an_error_of_the_listing(
    opened: Open, server: dict[str, object], sshd: Sshd, apart: str
) -> None:
    destination = opened(apart, remote=server)
    put(destination, PATH, b"x")
    closed = sshd.home(FULL) / apart / "other"
    closed.mkdir(mode=0o700)
    with pytest.raises(DestinationUnavailable, match=r"(?i)permission denied"):
        list(destination.list())
    closed.rename(closed.with_name("lost+found"))
    assert [file.path for file in destination.list()] == [PATH]


def test_a_cancel_ends_the_program_and_all_that_it_started(
    opened: Open, server: dict[str, object], proxy: Proxy, sshd: Sshd, apart: str
) -> None:
    destination = opened(apart, remote=server)
    muted = threading.Event()

    def mute() -> None:
        proxy.wait_for(up=MIB)
        proxy.mute(up=0)
        muted.set()

    threading.Thread(target=mute, daemon=True).start()
    cancelled_at: list[float] = []

    def cancel(moved: int) -> None:
        if muted.is_set():
            cancelled_at.append(time.monotonic())
            raise Cancelled

    with pytest.raises(Cancelled):
        put_slowly(destination, cancel)
    # two seconds are promised; a busy machine may take its time
    assert time.monotonic() - cancelled_at[0] < 6
    until = time.monotonic() + 20
    while running() and time.monotonic() < until:
        time.sleep(0.01)
    assert running() == []
    proxy.clear()
    assert list(opened(apart, remote=server).list()) == []


def running() -> list[int]:
    """Return the processes of the program that this one has started."""
    found = []
    for pid in descendants(os.getpid()):
        with suppress(OSError):
            if Path(f"/proc/{pid}/comm").read_text().strip() == "rclone":
                found.append(pid)
    return found


def put_slowly(destination: RcloneDestination, progress: Callable[[int], None]) -> None:
    size = 32 * MIB
    destination.put(io.BytesIO(bytes(size)), PATH, size=size, token="t", progress=progress)
