"""OpenSSH's server, for SFTP only."""

import subprocess
from pathlib import Path

from tests.support.programs import require
from tests.support.servers.running.accounts import APPEND_ONLY, FULL, READ_ONLY, UNLISTED, ServerWithAccounts

CONFIGURATION = """\
ListenAddress {host}
Port {port}
{host_keys}
AuthorizedKeysFile {folder}/authorized_keys
StrictModes no
UsePAM no
PasswordAuthentication yes
PidFile none
UseDNS no
MaxStartups 100
LogLevel VERBOSE
Subsystem sftp internal-sftp
Match User {append_only}
    ForceCommand internal-sftp -P remove,rmdir,posix-rename
Match User {read_only}
    ForceCommand internal-sftp -R
Match User {unlisted}
    ForceCommand internal-sftp -P opendir,readdir
"""
KEY_TYPES = ("ed25519", "ecdsa", "rsa")


class Sshd(ServerWithAccounts):
    """Accounts log in with the password or with `key`; all but FULL and SMALL lack a right that their name says.

    Paths of SFTP are those of the machine: `home(account)` is the folder of an account.
    """

    def __init__(self) -> None:
        super().__init__()
        self.host_key_types = KEY_TYPES
        self.key = self.folder / "client-key"
        make_key(self.key, "ed25519")
        self.authorized_keys = self.readable("authorized_keys", self.key.with_suffix(".pub").read_text())
        self._make_host_keys()

    def argv(self) -> list[str]:
        # sshd running as root wants its folder; that it is there changes nothing
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        configuration = CONFIGURATION.format(
            host=self.host,
            port=self.port,
            folder=self.folder,
            host_keys="\n".join(f"HostKey {self.host_key(kind)}" for kind in self.host_key_types),
            append_only=APPEND_ONLY,
            read_only=READ_ONLY,
            unlisted=UNLISTED,
        )
        (self.folder / "sshd_config").write_text(configuration)
        # sshd runs itself anew for each connection and wants to be called by its whole path
        argv = [require("sshd"), "-D", "-e", "-f", str(self.folder / "sshd_config")]
        # from 9.8 on it refuses an address for a while after failed logins
        lenient = ["-o", "PerSourcePenalties=no"]
        if subprocess.run([*argv, *lenient, "-t"], capture_output=True, check=False, timeout=20).returncode == 0:
            argv += lenient
        return self.in_own_namespace(*argv)

    def host_key(self, kind: str) -> Path:
        return self.folder / f"host-key-{kind}"

    def public_host_key(self, kind: str) -> str:
        """Return type and key as they stand in known_hosts behind the name of the host."""
        return " ".join(self.host_key(kind).with_suffix(".pub").read_text().split()[:2])

    def known_hosts(self, port: int | None = None) -> str:
        """Return the text of a known_hosts file for this server, or for a proxy at `port` in front of it."""
        name = f"[{self.host}]:{port or self.port}"
        return "".join(f"{name} {self.public_host_key(kind)}\n" for kind in self.host_key_types)

    def offer(self, *kinds: str) -> None:
        """Restart with host keys of these types only (`KEY_TYPES`)."""
        self.host_key_types = kinds
        self.restart()

    def replace_host_keys(self) -> None:
        """Restart with new host keys."""
        self._make_host_keys()
        self.restart()

    def _make_host_keys(self) -> None:
        for kind in KEY_TYPES:
            self.host_key(kind).unlink(missing_ok=True)
            make_key(self.host_key(kind), kind)


def make_key(path: Path, kind: str, *, passphrase: str = "") -> None:
    """Make a key pair as `ssh-keygen` does; the public half is beside it."""
    bits = ["-b", "2048"] if kind == "rsa" else []
    argv = [require("ssh-keygen"), "-q", "-t", kind, *bits, "-N", passphrase, "-C", "tests", "-f", str(path)]
    subprocess.run(argv, check=True, capture_output=True, timeout=60)


__all__ = ["APPEND_ONLY", "FULL", "KEY_TYPES", "READ_ONLY", "UNLISTED", "Sshd", "make_key"]
