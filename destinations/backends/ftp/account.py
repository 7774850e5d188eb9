"""Where to log in and how, and the steps of a connection."""

from dataclasses import dataclass

from destinations.network.certificates import Trust
from destinations.network.server_options import address

# the ways of encryption
NONE, EXPLICIT, IMPLICIT = "none", "explicit", "implicit"
# the steps, as errors name them
CONNECT, ENCRYPT, LOG_IN = "open a connection", "set up TLS", "log in"


@dataclass(frozen=True, repr=False)  # it holds a secret
class Account:
    """Made from the options of a destination, which say what each is. `timeout` is in seconds."""

    host: str
    port: int
    username: str
    password: str
    encryption: str
    passive: bool
    trust: Trust
    timeout: float

    @property
    def where(self) -> str:
        return address(self.host, self.port)
