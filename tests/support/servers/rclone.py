"""The program rclone with remotes of its own: a local folder, the SFTP server, and an encrypted one over the folder."""

import subprocess
from pathlib import Path

from tests.support.programs import require
from tests.support.servers.running.accounts import APPEND_ONLY, FULL
from tests.support.servers.sshd import Sshd

# `rclone obscure` of it is in the configuration; it changes with each call
CRYPT_PASSWORD = "the crypt password"
CONFIGURATION = """\
[here]
type = alias
remote = {folder}

[secret]
type = crypt
remote = {folder}/encrypted
password = {crypt_password}

[ssh]
type = sftp
host = {host}
port = {port}
user = {full}
pass = {password}
known_hosts_file = {known_hosts}
shell_type = none

[ssh-append-only]
type = sftp
host = {host}
port = {port}
user = {append_only}
key_file = {key}
known_hosts_file = {known_hosts}
shell_type = none
"""


class Rclone:
    """`config` is its configuration file; the remotes here, secret, ssh and ssh-append-only are in it."""

    def __init__(self, folder: Path, sshd: Sshd, *, port: int = 0) -> None:
        """Make the configuration; `port` is that of a proxy in front of the SFTP server."""
        self.program = require("rclone")
        self.folder, self.config = folder / "remote", folder / "rclone.conf"
        self.folder.mkdir()
        known_hosts = folder / "known_hosts"
        known_hosts.write_text(sshd.known_hosts(port or sshd.port))
        text = CONFIGURATION.format(
            folder=self.folder, crypt_password=self.obscured(CRYPT_PASSWORD), host=sshd.host, port=port or sshd.port,
            full=FULL, append_only=APPEND_ONLY, password=self.obscured(sshd.password), key=sshd.key,
            known_hosts=known_hosts,
        )  # fmt: skip
        self.config.touch(mode=0o600)
        self.config.write_text(text)

    def obscured(self, password: str) -> str:
        """Return the password as it stands in a configuration; it is given on standard input."""
        return subprocess.run(
            [self.program, "obscure", "-"], input=password, capture_output=True, text=True, check=True, timeout=30
        ).stdout.strip()

    def run(self, *arguments: str, data: bytes = b"") -> "subprocess.CompletedProcess[bytes]":
        argv = [self.program, "--config", str(self.config), "--retries", "1", "--low-level-retries", "1", *arguments]
        return subprocess.run(argv, input=data, capture_output=True, check=False, timeout=60)
