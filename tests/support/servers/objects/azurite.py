"""Azurite as Azure Blob Storage."""

import base64
import hashlib

from tests.support.programs import missing, require
from tests.support.servers.certificates import Certificate
from tests.support.servers.running.cache import cache
from tests.support.servers.running.server import Server

ACCOUNT = "backups"
ACCOUNT_KEY = base64.b64encode(hashlib.sha512(b"the account of the tests").digest()).decode()


class Azurite(Server):
    """One account; shared access signatures are made with its key. With a certificate it takes OAuth tokens too."""

    account, account_key = ACCOUNT, ACCOUNT_KEY

    def __init__(self, certificate: Certificate | None = None) -> None:
        super().__init__()
        self.certificate = certificate

    def argv(self) -> list[str]:
        program = cache("node_modules") / ".bin" / "azurite-blob"
        if not program.exists():
            missing(f"{program} is not there; .ci/run installs azurite to it")
        argv = [require("node"), str(program), "--blobHost", self.host, "--blobPort", str(self.port)]
        argv += ["--skipApiVersionCheck", "--disableTelemetry", "--silent", "--location", str(self.folder / "data")]
        if self.certificate is not None:
            argv += ["--cert", str(self.certificate.certificate), "--key", str(self.certificate.key)]
            argv += ["--oauth", "basic"]
        return argv

    def environment(self) -> dict[str, str]:
        return super().environment() | {"AZURITE_ACCOUNTS": f"{ACCOUNT}:{ACCOUNT_KEY}"}

    @property
    def url(self) -> str:
        return self.url_at(self.port)

    def url_at(self, port: int) -> str:
        """Return the address of the account at the port of a proxy."""
        return f"{self.scheme}://{self.host}:{port}/{ACCOUNT}"

    def connection_string(self, port: int | None = None) -> str:
        return (
            f"DefaultEndpointsProtocol={self.scheme};AccountName={ACCOUNT};AccountKey={ACCOUNT_KEY};"
            f"BlobEndpoint={self.url_at(port or self.port)};"
        )

    @property
    def scheme(self) -> str:
        return "http" if self.certificate is None else "https"

    def use(self, certificate: Certificate) -> None:
        """Restart with another certificate."""
        self.certificate = certificate
        self.restart()
