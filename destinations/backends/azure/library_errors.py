"""Errors of the SDK. Imports azure-core and azure-identity: load it by the extra of the type."""

from azure.core.exceptions import AzureError, ClientAuthenticationError, HttpResponseError, IncompleteReadError
from azure.identity import CredentialUnavailableError

from destinations.backends.azure.answers import AzureRefused
from destinations.exceptions import ConnectionLost, DestinationError, DestinationUnavailable


def refused_by(error: HttpResponseError, right: str) -> AzureRefused:
    headers = {str(name).lower(): str(value) for name, value in getattr(error.response, "headers", {}).items()}
    code = getattr(error, "error_code", None) or headers.get("x-ms-error-code") or str(error.status_code)
    return AzureRefused(
        str(getattr(code, "value", code)), int(error.status_code or 0), str(error.reason or ""), headers, right
    )


def explain_library_error(error: Exception, action: str, where: str) -> DestinationError | None:
    """Return what an operator reads for an error of the library that is none of the network; None for others."""
    text = f"Cannot {action} at {where}"
    if isinstance(error, CredentialUnavailableError | ClientAuthenticationError):
        return DestinationUnavailable(
            f"{text}: this machine gets no token of a managed identity.",
            "Give the machine an identity in Azure, and check managed_identity_client_id.",
        )
    if isinstance(error, IncompleteReadError | HttpResponseError):
        return ConnectionLost(f"{text}: the connection was cut.", "The next try may succeed.")
    if isinstance(error, AzureError | ValueError):
        # its text may hold an address with a signature
        return DestinationUnavailable(
            f"{text}: what answers there is no blob service ({type(error).__name__}).",
            "Check the account and endpoint_url, and whether something else answers on the way there.",
        )
    return None
