"""The host key: pinned, compared, and an alarm when it is another one."""

import subprocess
from pathlib import Path

import asyncssh
import pytest

from destinations.backends.sftp import SftpDestination, host_keys
from destinations.exceptions import DestinationConfigError, PeerNotTrusted
from tests.destinations.servers.sftp.conftest import Open
from tests.support.programs import require
from tests.support.servers.sshd import Sshd


def another(algorithm: str = "ssh-ed25519") -> str:
    key = asyncssh.generate_private_key(algorithm)
    return " ".join(key.export_public_key("openssh").decode().split()[:2])


def fingerprint(line: str, folder: Path) -> str:
    """Return what OpenSSH says."""
    file = folder / "asked.pub"
    file.write_text(line)
    said = subprocess.run([require("ssh-keygen"), "-lf", str(file)], capture_output=True, text=True, check=True)
    return said.stdout.split()[1]


def hashed(text: str, folder: Path) -> Path:
    file = folder / "known_hosts"
    file.write_text(text)
    subprocess.run([require("ssh-keygen"), "-q", "-H", "-f", str(file)], capture_output=True, check=True)
    return file


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
def test_a_server_with_the_pinned_key_is_used_whichever_of_its_keys_that_is(
    sshd: Sshd, opened: Open, kind: str
) -> None:
    steps = {step.name: step.detail for step in opened(host_key=sshd.public_host_key(kind)).test()}
    assert steps["host key"].split()[0] == kind.upper()


def test_the_test_names_each_step_of_the_connection(sshd: Sshd, opened: Open, tmp_path: Path) -> None:
    steps = opened().test()
    assert [step.name for step in steps][:5] == ["resolve", "connect", "host key", "log in", "folder"]
    details = {step.name: step.detail for step in steps}
    assert fingerprint(sshd.public_host_key("ed25519"), tmp_path) in details["host key"]
    assert f"{sshd.host}:{sshd.port}" in details["connect"]


def test_another_key_is_an_alarm_that_names_both_fingerprints(sshd: Sshd, opened: Open, tmp_path: Path) -> None:
    pinned, shown = another(), sshd.public_host_key("ed25519")
    logins = [sshd.log().count(word) for word in ("Accepted", "Failed password")]
    with pytest.raises(PeerNotTrusted) as caught:
        opened(host_key=pinned).stat("a.tar")
    assert fingerprint(pinned, tmp_path) in caught.value.message
    assert fingerprint(shown, tmp_path) in caught.value.message
    assert caught.value.hint
    # whoever answered was told neither user nor password
    assert [sshd.log().count(word) for word in ("Accepted", "Failed password")] == logins


def test_a_server_without_a_key_of_the_pinned_type_is_the_same_alarm(sshd: Sshd, opened: Open, tmp_path: Path) -> None:
    pinned = another("ecdsa-sha2-nistp521")
    with pytest.raises(PeerNotTrusted) as caught:
        opened(host_key=pinned).stat("a.tar")
    assert fingerprint(pinned, tmp_path) in caught.value.message
    assert fingerprint(sshd.public_host_key("ed25519"), tmp_path) in caught.value.message


def test_one_of_several_pinned_keys_is_enough(sshd: Sshd, opened: Open) -> None:
    both = f"# before and after the move\n{another()}\n[backup.example.org]:22 {sshd.public_host_key('ed25519')} root"
    destination = opened(host_key=both)
    destination.require_reachable()
    assert len(destination.pinned_keys(str(destination.options["host_key"]))) == 2


def test_a_file_of_known_hosts_is_as_good(sshd: Sshd, opened: Open, tmp_path: Path) -> None:
    opened(host_key="", known_hosts_file=str(hashed(sshd.known_hosts(), tmp_path))).require_reachable()


def test_a_server_that_the_file_does_not_know_is_refused_with_the_line_to_add(
    sshd: Sshd, opened: Open, tmp_path: Path
) -> None:
    file = hashed(f"elsewhere.example.org {another()}\n", tmp_path)
    with pytest.raises(PeerNotTrusted) as caught:
        opened(host_key="", known_hosts_file=str(file)).stat("a.tar")
    assert fingerprint(sshd.public_host_key("ed25519"), tmp_path) in caught.value.message
    assert f"[{sshd.host}]:{sshd.port} {sshd.public_host_key('ed25519')}" in caught.value.hint


def test_a_key_that_the_file_knows_differently_is_the_alarm(sshd: Sshd, opened: Open, tmp_path: Path) -> None:
    pinned = another()
    file = hashed(f"[{sshd.host}]:{sshd.port} {pinned}\n", tmp_path)
    with pytest.raises(PeerNotTrusted) as caught:
        opened(host_key="", known_hosts_file=str(file)).stat("a.tar")
    assert fingerprint(pinned, tmp_path) in caught.value.message
    assert fingerprint(sshd.public_host_key("ed25519"), tmp_path) in caught.value.message


def test_a_file_of_known_hosts_that_is_not_there_is_named(opened: Open, tmp_path: Path) -> None:
    with pytest.raises(DestinationConfigError, match="none-here") as caught:
        opened(host_key="", known_hosts_file=str(tmp_path / "none-here")).stat("a.tar")
    assert caught.value.option == "known_hosts_file"


def test_the_key_is_fetched_for_a_person_to_compare(sshd: Sshd, tmp_path: Path) -> None:
    fetched = SftpDestination.fetch_peer_key({"host": sshd.host, "port": str(sshd.port)})
    assert fetched.value == sshd.public_host_key("ed25519")
    assert (fetched.kind, fetched.fingerprint) == ("ED25519", fingerprint(fetched.value, tmp_path))


def test_fingerprints_are_those_of_openssh(sshd: Sshd, tmp_path: Path) -> None:
    for kind in ("ed25519", "ecdsa", "rsa"):
        line = sshd.public_host_key(kind)
        assert host_keys.parse(line)[0].fingerprint == fingerprint(line, tmp_path)
