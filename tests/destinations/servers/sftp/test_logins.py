"""Passwords, keys and agents."""

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from destinations.exceptions import DestinationConfigError, DestinationUnavailable
from tests.destinations.servers.sftp.conftest import Open
from tests.support.programs import require
from tests.support.servers.sshd import Sshd, make_key

PASSPHRASE = "canary-passphrase-77"


@pytest.fixture(scope="module")
def keys(sshd: Sshd, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return a folder with a key of each type, half of them with a passphrase, which the server lets in."""
    folder = tmp_path_factory.mktemp("keys")
    before = sshd.authorized_keys.read_text()
    for kind, passphrase in (("ed25519", ""), ("ecdsa", PASSPHRASE), ("rsa", PASSPHRASE)):
        make_key(folder / kind, kind, passphrase=passphrase)
    pem = [require("ssh-keygen"), "-q", "-t", "ecdsa", "-m", "PEM", "-N", PASSPHRASE, "-f", str(folder / "pem")]
    subprocess.run(pem, check=True, capture_output=True)
    sshd.authorized_keys.write_text(before + "".join(file.read_text() for file in folder.glob("*.pub")))
    yield folder
    sshd.authorized_keys.write_text(before)


@pytest.mark.parametrize(
    ("kind", "form"),
    [("ed25519", "text"), ("ed25519", "path"), ("ecdsa", "pasted"), ("rsa", "path"), ("pem", "pasted")],
)
def test_every_type_of_key_logs_in(opened: Open, keys: Path, kind: str, form: str) -> None:
    text = (keys / kind).read_text()
    given = {"text": text, "pasted": text.replace("\n", "\r\n").strip(), "path": str(keys / kind)}[form]
    destination = opened(password="", private_key=given, private_key_passphrase=PASSPHRASE)
    assert destination.options["authentication"] == "key"
    destination.require_reachable()


@pytest.mark.parametrize(
    ("key", "passphrase", "option"),
    [
        ("ecdsa", "", "private_key_passphrase"),
        ("ecdsa", "canary-wrong-12", "private_key_passphrase"),
        ("pem", "canary-wrong-12", "private_key_passphrase"),
        ("pem", "", "private_key_passphrase"),
        ("none", "", "private_key"),
        ("ed25519.pub", "", "private_key"),
    ],
)
def test_a_key_that_cannot_be_used_is_said_before_anything_is_connected(
    opened: Open, keys: Path, key: str, passphrase: str, option: str
) -> None:
    with pytest.raises(DestinationConfigError) as caught:
        opened(password="", private_key=str(keys / key), private_key_passphrase=passphrase, port=1).stat("a.tar")
    assert caught.value.option == option
    assert caught.value.hint
    assert "canary" not in caught.value.text


def test_a_key_that_the_server_does_not_know_is_refused_with_what_to_do(opened: Open, tmp_path: Path) -> None:
    make_key(tmp_path / "unknown", "ed25519")
    with pytest.raises(DestinationUnavailable, match=r"log in at .* refuses the key") as caught:
        opened(password="", private_key=str(tmp_path / "unknown")).stat("a.tar")
    assert "authorized_keys" in caught.value.hint


@pytest.mark.parametrize(("user", "password"), [("full", "canary-wrong-34"), ("nobody-here", "canary-wrong-34")])
def test_a_wrong_password_or_user_is_refused_once_and_not_repeated(
    sshd: Sshd, opened: Open, user: str, password: str
) -> None:
    failed = len(re.findall("Failed password", sshd.log()))
    with pytest.raises(DestinationUnavailable, match=f"as {user}: the server refuses the password") as caught:
        opened(user, password=password).stat("a.tar")
    assert f"{sshd.host}:{sshd.port}" in caught.value.message
    assert "canary" not in caught.value.text
    # one that is tried again and again locks accounts
    assert len(re.findall("Failed password", sshd.log())) == failed + 1


def test_an_agent_is_asked_only_when_the_option_says_so(
    opened: Open, keys: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    socket = tmp_path / "agent"
    agent = subprocess.Popen([require("ssh-agent"), "-D", "-a", str(socket)], stdout=subprocess.DEVNULL)
    try:
        while not socket.exists():
            assert agent.poll() is None
        environment = {**os.environ, "SSH_AUTH_SOCK": str(socket)}
        subprocess.run([require("ssh-add"), "-q", str(keys / "ed25519")], env=environment, check=True)
        monkeypatch.setenv("SSH_AUTH_SOCK", str(socket))
        opened(password="", authentication="agent").require_reachable()
        with pytest.raises(DestinationUnavailable):
            opened(password="wrong").require_reachable()
    finally:
        agent.terminate()
        agent.wait(20)


def test_without_an_agent_the_option_is_an_error(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    with pytest.raises(DestinationConfigError, match="SSH_AUTH_SOCK is not set"):
        opened(password="", authentication="agent").stat("a.tar")
