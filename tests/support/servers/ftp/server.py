"""What both FTP servers have in common: accounts, TLS modes, a certificate, passive ports behind a proxy."""

from typing import Literal

from tests.support.servers.certificates import Certificate, Certificates
from tests.support.servers.proxy import Proxy
from tests.support.servers.running.accounts import ServerWithAccounts
from tests.support.servers.running.ports import free_ports

Mode = Literal["plain", "explicit", "implicit"]
PASSIVE_PORTS = 16
# what PASV answers: no server is there, as behind a NAT that the server does not know of; EPSV has no address
ADDRESS_OF_PASV = "127.9.9.9"


class FtpServer(ServerWithAccounts):
    """It listens at 127.0.0.2; each account sees its own home as "/".

    A proxy can then listen at the same ports of 127.0.0.1: EPSV names only a port.
    """

    host = "127.0.0.2"

    def __init__(self, mode: Mode, certificates: Certificates) -> None:
        super().__init__()
        self.mode, self.certificates = mode, certificates
        self.certificate = certificates.valid
        self.passive_ports = free_ports(PASSIVE_PORTS, self.host, Proxy.host)

    def use(self, certificate: Certificate) -> None:
        """Restart with another certificate."""
        self.certificate = certificate
        self.restart()

    def control_proxy(self) -> Proxy:
        """Return a proxy for control connections; data connections want `data_proxy` beside it."""
        return Proxy(self.port, self.host)

    def data_proxy(self) -> Proxy:
        """Return a proxy for the data connections of clients that use EPSV, with rules of its own."""
        return Proxy(0, forwards={port: (self.host, port) for port in self.passive_ports})
