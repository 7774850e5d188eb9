"""What the library is told about a login: how the account logs in, and which host keys are trusted."""

import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import asyncssh

from destinations.backends.sftp import host_keys, options
from destinations.backends.sftp.account import Account
from destinations.backends.sftp.keys import load_private_key, read_known_hosts
from destinations.exceptions import DestinationConfigError

# fast with the instructions of every processor of the last years; the others of the library follow
CIPHERS = "^aes128-gcm@openssh.com,aes256-gcm@openssh.com"
# in the order of OpenSSH; the library's own begins with RSA and has signatures by SHA-1 in it
HOST_KEY_ALGORITHMS = (
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "rsa-sha2-512",
    "rsa-sha2-256",
)
# what a server may send ahead: as much as a download asks for, where the library's own would hold it back on a long way
WINDOW = 8 * 1024 * 1024
# a peer that is gone without a word is found after so many intervals of half a timeout
KEEPALIVES = 3
USUAL_PORT = 22


@asynccontextmanager
async def login_options(account: Account) -> AsyncIterator[dict[str, Any]]:
    """Give the options of a connection, to be used within the block. Raises `DestinationConfigError`.

    Files are read here and not with the options of the destination, so that no wrong one ends a form or a check.
    """
    async with AsyncExitStack() as stack:
        keys: list[Any] = []
        if account.authentication == options.KEY:
            keys = [load_private_key(account.private_key, account.passphrase)]
        elif account.authentication == options.AGENT:
            keys = await _keys_of_agent(account, stack)
        passwords = ["password", "keyboard-interactive"] if account.password else []
        yield {
            "username": account.username,
            "password": account.password or None,
            "client_keys": keys or None,
            "preferred_auth": [*(["publickey"] if keys else []), *passwords],
            **trusted_keys(account),
            "encryption_algs": CIPHERS,
            "compression_algs": None,
            "window": WINDOW,
            "keepalive_interval": account.timeout / 2,
            "keepalive_count_max": KEEPALIVES,
            "login_timeout": account.timeout,
            # nothing of what the user that runs this site has in ~/.ssh has a part in this
            "agent_path": None,
            "agent_identities": None,
            "client_host_keys": None,
            "pkcs11_provider": None,
            "gss_host": None,
            "x509_trusted_certs": None,
            "x509_trusted_cert_paths": [],
        }


async def _keys_of_agent(account: Account, stack: AsyncExitStack) -> list[Any]:
    path = os.environ.get("SSH_AUTH_SOCK")
    problem = "SSH_AUTH_SOCK is not set"
    if path:
        try:
            agent = await stack.enter_async_context(await asyncssh.connect_agent(path))
            found = list(await agent.get_keys())
        except (OSError, ValueError) as error:
            problem = f"it does not answer at {path}: {error}"
        else:
            if found:
                return found
            problem = "it has no key"
    raise DestinationConfigError(
        f"Cannot log in at {account.where} by the SSH agent: {problem}.",
        "Start this program with the socket of an agent in SSH_AUTH_SOCK and load the key, or log in by a key.",
        "authentication",
    )


def trusted_keys(account: Account) -> dict[str, Any]:
    """Return the options that say which host keys are trusted, and which are asked for."""
    if account.known_hosts_file:
        known: Any = read_known_hosts(account.known_hosts_file)
        keys, authorities, *_ = _match(known, account)
        if authorities:
            return {"known_hosts": known}
    else:
        keys = [asyncssh.import_public_key(key.line) for key in account.trusted]
        # never empty: the library would take ~/.ssh/known_hosts instead
        known = (keys, [], [])
    wanted = {algorithm.decode("ascii") for key in keys for algorithm in key.sig_algorithms}
    # after those of the trusted keys all others: a server without such a key shows one that the alarm can name
    order = sorted(HOST_KEY_ALGORITHMS, key=lambda name: name not in wanted)
    return {"known_hosts": known, "server_host_key_algs": order}


def expected_keys(account: Account) -> tuple[host_keys.HostKey, ...]:
    if not account.known_hosts_file:
        return account.trusted
    keys, *_ = _match(read_known_hosts(account.known_hosts_file), account)
    return tuple(as_host_key(key) for key in keys)


def _match(known: asyncssh.SSHKnownHosts, account: Account) -> Any:
    """Return what the file has for the server: keys, authorities, revoked keys and more."""
    # as the library asks: the usual port is not named in such a file
    port = None if account.port == USUAL_PORT else account.port
    return asyncssh.match_known_hosts(known, account.host, "", port)


def as_host_key(key: asyncssh.SSHKey) -> host_keys.HostKey:
    algorithm, blob, *_ = key.export_public_key("openssh").decode("ascii", "replace").split()
    return host_keys.HostKey(algorithm, blob)
