"""The bucket of the tests, its objects, and the options that lead there."""

from functools import cache
from typing import Any

from google.api_core.client_options import ClientOptions
from google.cloud import storage
from google.oauth2 import service_account

from tests.support.servers.objects.gcs import Gcs

BUCKET = "backups"


@cache
def gcs_bucket(server: Gcs) -> Any:
    """Return the bucket as the library of Google has it."""
    credentials = service_account.Credentials.from_service_account_info(server.service_account())
    options = ClientOptions(api_endpoint=server.url)
    return storage.Client(project="backups", credentials=credentials, client_options=options).create_bucket(BUCKET)


def gcs_options(server: Gcs, *, port: int | None = None, **options: Any) -> dict[str, Any]:
    """Return the options of a destination, at the port of a proxy where one is given."""
    gcs_bucket(server)
    endpoint = server.url_at(port or server.port)
    common = {"bucket_name": BUCKET, "custom_endpoint": endpoint, "credentials": server.key_file(), "timeout": 5}
    return common | options
