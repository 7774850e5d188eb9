"""Where to log in and how, and the steps of a connection. Plain Python."""

from dataclasses import dataclass

from destinations.backends.sftp import host_keys
from destinations.network.server_options import address

# in their order, as errors name them
CONNECT, HOST_KEY, LOG_IN, OPEN_SFTP = "open a connection", "check the host key", "log in", "open SFTP"
STEPS = (CONNECT, HOST_KEY, LOG_IN, OPEN_SFTP)


@dataclass(frozen=True, repr=False)  # it holds secrets
class Account:
    """Made from the options of a destination, which say what each is. `timeout` is in seconds."""

    host: str
    port: int
    username: str
    authentication: str
    password: str
    private_key: str
    passphrase: str
    trusted: tuple[host_keys.HostKey, ...]
    known_hosts_file: str
    timeout: float

    @property
    def where(self) -> str:
        return address(self.host, self.port)
