"""Accounts of servers that log users of the machine in, without a change to the machine.

The server runs in a mount namespace of its own, where its own files are bound over /etc/passwd, /etc/shadow and
/etc/group and small file systems are mounted; all of that is gone with its last process.
"""

import os
import shlex
from pathlib import Path

from tests.support.programs import missing, require
from tests.support.servers.running.server import Server

PASSWORD = "correct horse 4f"
# made with `openssl passwd -6`; the salt asks for the fewest rounds there are
PASSWORD_HASH = (
    "$6$rounds=1000$backupsite$FBozosZ7duNfa0CjCdNJa799Xp6yUi4v/grm3BCxar/2F0thnXsUlMu0z7aBbx80aYdK8xbwPh8B6ZvdH97jl/"
)
SMALL_MEGABYTES = 8
# name and user id; what an account may do, the server says in its own configuration
FULL, APPEND_ONLY, READ_ONLY, UNLISTED, SMALL = "full", "append-only", "read-only", "unlisted", "small"
ACCOUNTS = {FULL: 64_001, APPEND_ONLY: 64_002, READ_ONLY: 64_003, UNLISTED: 64_004, SMALL: 64_005}
SYSTEM_FILES = ("passwd", "shadow", "group")


class ServerWithAccounts(Server):
    """A server with the accounts of this module, each with a home below `folder`; only root can run one."""

    password = PASSWORD

    def __init__(self) -> None:
        if os.geteuid() != 0:
            missing("only root can run a server that logs other users in")
        super().__init__()
        for folder in ("etc", "home"):
            (self.folder / folder).mkdir()
            (self.folder / folder).chmod(0o755)
        locked = "".join(f"{line.split(':')[0]}:*:19000::::::\n" for line in _lines("passwd"))
        users = "".join(f"{name}:x:{uid}:{uid}::{self.home(name)}:/bin/sh\n" for name, uid in ACCOUNTS.items())
        groups = "".join(f"{name}:x:{uid}:\n" for name, uid in ACCOUNTS.items())
        passwords = "".join(f"{name}:{PASSWORD_HASH}:19000::::::\n" for name in ACCOUNTS)
        self.readable("etc/passwd", "".join(_lines("passwd")) + users)
        self.readable("etc/group", "".join(_lines("group")) + groups)
        # bound over the machine's: users of the machine cannot log in with a password here
        self.readable("etc/shadow", locked + passwords)
        for name in ACCOUNTS:
            self.home(name).mkdir()
            self.give(name, self.home(name))

    def home(self, account: str) -> Path:
        """Return the home of an account; of SMALL the files are seen by the server only."""
        return self.folder / "home" / account

    def readable(self, name: str, text: str) -> Path:
        """Write a file that all accounts may read, whatever the umask of the tests is."""
        path = self.folder / name
        path.write_text(text)
        path.chmod(0o644)
        return path

    def give(self, account: str, path: Path) -> None:
        os.chown(path, ACCOUNTS[account], ACCOUNTS[account])

    def binds(self) -> dict[Path, str]:
        """Return which files are seen where by this server."""
        return {self.folder / "etc" / name: f"/etc/{name}" for name in SYSTEM_FILES}

    def in_own_namespace(self, *argv: str) -> list[str]:
        """Return the command that runs `argv` in a mount namespace with the accounts."""
        mounts = [["mount", "--bind", str(source), target] for source, target in self.binds().items()]
        owner = f"uid={ACCOUNTS[SMALL]},gid={ACCOUNTS[SMALL]},mode=0755"
        small = ["-t", "tmpfs", "-o", f"size={SMALL_MEGABYTES}m,{owner}", "small", str(self.home(SMALL))]
        script = " && ".join(shlex.join(words) for words in [*mounts, ["mount", *small], ["exec", *argv]])
        return [require("unshare"), "--mount", "--propagation", "private", "sh", "-c", script]


def _lines(name: str) -> list[str]:
    return Path("/etc", name).read_text().splitlines(keepends=True)
