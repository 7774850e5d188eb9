"""gcp-storage-emulator as Google Cloud Storage, with a service account."""

import json
import sys
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.support.servers.objects.gcs_program import ACCOUNT
from tests.support.servers.running.server import Server


class Gcs(Server):
    """`gcs_program` says what is added to the emulator. There are no rights, versions or locks."""

    def __init__(self) -> None:
        super().__init__()
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        form = (serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        self._private_key = key.private_bytes(serialization.Encoding.PEM, *form).decode()

    def argv(self) -> list[str]:
        program = "tests.support.servers.objects.gcs_program"
        return [sys.executable, "-m", program, self.host, str(self.port), str(self.folder / "data")]

    @property
    def url(self) -> str:
        return self.url_at(self.port)

    def url_at(self, port: int) -> str:
        """Return the endpoint at the port of a proxy."""
        return f"http://{self.host}:{port}"

    def service_account(self, port: int | None = None) -> dict[str, Any]:
        """Return what stands in the key file of the service account; its tokens come from `port`."""
        return {
            "type": "service_account",
            "project_id": "backups",
            "private_key_id": "1",
            "private_key": self._private_key,
            "client_email": ACCOUNT,
            "client_id": "1",
            "token_uri": f"{self.url_at(port or self.port)}/token",
        }

    def key_file(self) -> str:
        return json.dumps(self.service_account())
