"""Errors that Google Cloud Storage answers with, as an operator reads them."""

from collections.abc import Mapping

from destinations.exceptions import (
    ConnectionLost,
    DestinationError,
    DestinationFull,
    DestinationUnavailable,
    Locked,
    NameTaken,
    VerificationFailed,
)
from destinations.network.retry_after import retry_after

# 403 with one of these is about the number of requests
_BUSY = frozenset({"rateLimitExceeded", "userRateLimitExceeded"})
_FULL = frozenset({"quotaExceeded", "dailyLimitExceeded", "storageQuotaExceeded"})
_LOCKED = frozenset({"retentionPolicyNotMet", "objectUnderActiveHold"})
_RIGHTS = {
    "read": "storage.objects.get",
    "list": "storage.objects.list",
    "write": "storage.objects.create",
    "delete": "storage.objects.delete",
    "lock": "storage.objects.update and storage.objects.setRetention",
    "restore": "storage.objects.restore and storage.objects.create",
}


class GcsRefused(Exception):  # noqa: N818 - named for what happened
    """The store answered a request to `what` (a key of `_RIGHTS`) with an error; `reason` is its name."""

    def __init__(self, what: str, status: int, reason: str, message: str, headers: Mapping[str, str]) -> None:
        super().__init__(f"{what}: {status} {reason} {message}")
        self.what, self.status, self.reason, self.message, self.headers = what, status, reason, message, headers

    @property
    def is_missing(self) -> bool:
        return self.status == 404

    @property
    def is_locked(self) -> bool:
        return self.reason in _LOCKED

    @property
    def is_gone(self) -> bool:
        """Whether an upload session has ended: expired, cancelled or finished."""
        return self.status in {404, 410, 499}


def explain(refused: GcsRefused, action: str, where: str) -> DestinationError:
    text = f"Cannot {action} at {where}"
    if refused.status == 412:
        return NameTaken(f"{text}: the name is in use.", "Nothing is overwritten.")
    if refused.status in {408, 429, 500, 502, 503, 504} or refused.reason in _BUSY:
        return ConnectionLost(
            f"{text}: the store is busy or has a fault ({refused.reason or refused.status}).",
            "The next try may succeed.",
            retry_after=retry_after(refused.headers.get("Retry-After", "")),
        )
    if refused.status == 507 or refused.reason in _FULL:
        return DestinationFull(f"{text}: a quota is used up.", "Raise the quota of the project, or keep fewer backups.")
    if refused.is_locked:
        return Locked(f"{text}: the file is locked.", "It can be deleted when its retention or hold has ended.")
    if refused.status == 400 and "crc32c" in refused.message.lower():
        return VerificationFailed(
            f"{text}: what arrived there is not what was sent.",
            "Something changes the data on its way: check the network and the proxies between.",
        )
    if refused.status == 401:
        return DestinationUnavailable(
            f"{text}: the credentials are not accepted.", "Check the option credentials, or those of this machine."
        )
    if refused.status == 403:
        return DestinationUnavailable(
            f"{text}: access is denied.",
            f"Give the account the right {_RIGHTS[refused.what]} on the bucket; the role Storage Object User has those "
            "that need no locks.",
        )
    if refused.status == 404:
        return DestinationUnavailable(f"{text}: there is no such bucket.", "Check bucket_name.")
    return DestinationUnavailable(
        f"{text}: the store refuses it ({refused.status} {refused.reason}: {refused.message}).",
        "See the documentation of the store for this error.",
    )
