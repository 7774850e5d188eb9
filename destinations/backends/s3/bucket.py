"""A connection to one bucket. Imports boto3: load it by the extra of the type."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import botocore.exceptions
import botocore.loaders
import botocore.session
from botocore.config import Config

from destinations.backends.s3.answers import S3Refused
from destinations.exceptions import ConnectionLost, DestinationConfigError, DestinationError, DestinationUnavailable
from destinations.network.connections import Connections
from destinations.transfer.watch import Aborted

CONNECT_SECONDS = 10

# the models of the API are read once for all clients
_LOADER = botocore.loaders.create_loader()


class Bucket:
    """Sends requests about one bucket, from several threads; `drop` makes those under way fail."""

    def __init__(self, options: Mapping[str, Any], *, timeout: float, threads: int) -> None:
        self.name: str = options["bucket_name"]
        self._dropped = False
        self._connections = Connections()
        verify = options["verify"] or None
        if verify and not Path(verify).is_file():
            raise DestinationConfigError(
                f"The file {verify} of certificates does not exist here.", "Check the option verify.", "verify"
            )
        core = botocore.session.Session()
        core.register_component("data_loader", _LOADER)
        config = Config(
            connect_timeout=min(CONNECT_SECONDS, timeout),
            read_timeout=timeout,
            # tries, their delays and what passes are those of all types
            retries={"total_max_attempts": 1, "mode": "standard"},
            max_pool_connections=threads,
            tcp_keepalive=True,
            signature_version=options["signature_version"] or None,
            s3={
                "addressing_style": options["addressing_style"] or "auto",
                # parts are signed with their checksum in a header; without this each would be hashed again where the
                # endpoint has no TLS
                "payload_signing_enabled": None if _has_tls(options["endpoint_url"]) else False,
            },
            # each part carries a checksum of our own choice: compatible stores refuse others
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            # the endpoint is the one that the operator entered and reads in errors
            ignore_configured_endpoint_urls=True,
        )
        session = boto3.session.Session(
            botocore_session=core,
            aws_access_key_id=options["access_key"] or None,
            aws_secret_access_key=options["secret_key"] or None,
            aws_session_token=options["security_token"] or None,
            profile_name=options["session_profile"] or None,
        )
        self._client = session.client(
            "s3",
            endpoint_url=options["endpoint_url"] or None,
            region_name=options["region_name"] or session.region_name or "us-east-1",
            verify=verify,
            config=config,
        )
        http = self._client._endpoint.http_session
        self._connections.track(http._manager)
        # what it makes managers of proxies with
        http._pool_classes_by_scheme = http._manager.pool_classes_by_scheme

    @property
    def endpoint(self) -> str:
        return str(self._client.meta.endpoint_url)

    def call(self, operation: str, **parameters: Any) -> dict[str, Any]:
        """Send the request `operation`, such as `head_object`. Raises `S3Refused`, and errors of botocore."""
        if self._dropped:
            raise Aborted
        try:
            answer: dict[str, Any] = getattr(self._client, operation)(Bucket=self.name, **parameters)
        except botocore.exceptions.ClientError as error:
            details = error.response.get("Error", {})
            about = error.response.get("ResponseMetadata", {})
            raise S3Refused(
                error.operation_name,
                str(details.get("Code", "")),
                int(about.get("HTTPStatusCode", 0)),
                str(details.get("Message", "")),
                about.get("HTTPHeaders", {}),
            ) from error
        # such as the page of a proxy that asks for a login
        if operation == "head_object" and not {"ETag", "LastModified"} <= answer.keys():
            raise DestinationUnavailable(
                f"What {self.endpoint} answers about an object of the bucket {self.name} is no answer of S3.",
                "Check endpoint_url, and whether something else answers on the way there.",
            )
        return answer

    def drop(self) -> None:
        self._dropped = True
        self._connections.shut()
        self._client.close()


def _has_tls(endpoint: str) -> bool:
    return urlsplit(endpoint).scheme != "http"


def explain_library_error(error: Exception, action: str, where: str) -> DestinationError | None:
    """Return what an operator reads for an error of botocore that is none of the network; None for others."""
    text = f"Cannot {action} at {where}"
    if isinstance(error, botocore.exceptions.NoCredentialsError | botocore.exceptions.PartialCredentialsError):
        return DestinationUnavailable(
            f"{text}: there are no credentials.",
            "Enter access_key and secret_key, or give them to this process by its environment or the role of its "
            "machine.",
        )
    if isinstance(error, botocore.exceptions.ProfileNotFound):
        return DestinationConfigError(f"{text}: {error}.", "Check session_profile.", "session_profile")
    if isinstance(error, botocore.exceptions.CredentialRetrievalError):
        return DestinationUnavailable(f"{text}: the credentials cannot be fetched.", "Check the role of this machine.")
    if isinstance(error, botocore.exceptions.ParamValidationError | ValueError):
        # its text holds the value, which may be a key
        return DestinationConfigError(f"{text}: an option is not valid.", "Check endpoint_url, keys and bucket_name.")
    if isinstance(error, botocore.exceptions.IncompleteReadError | botocore.exceptions.ResponseStreamingError):
        return ConnectionLost(f"{text}: the connection was cut.", "The next try may succeed.")
    if isinstance(error, botocore.exceptions.BotoCoreError):
        return DestinationUnavailable(f"{text}: {error}.", "Check endpoint_url, and that an S3 store answers there.")
    return None
