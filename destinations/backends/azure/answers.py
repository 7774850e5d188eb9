"""Errors that the store answers with, as an operator reads them."""

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from django.utils import timezone

from destinations.backends.azure.account import RIGHTS, Account
from destinations.exceptions import (
    ConnectionLost,
    DestinationError,
    DestinationFull,
    DestinationUnavailable,
    Locked,
    NameTaken,
    VerificationFailed,
)
from destinations.lib.formats import human_duration
from destinations.network.retry_after import retry_after

# the store accepts requests of a clock that differs by so much
CLOCK_SECONDS = 15 * 60
PASSING = frozenset(
    {"ServerBusy", "OperationTimedOut", "InternalError", "ContainerBeingDeleted", "AccountBeingCreated"}
    | {"IncompleteBody", "TooManyRequests"}
)
DAMAGED = frozenset({"Md5Mismatch", "Crc64Mismatch", "InvalidMd5"})
FULL = frozenset({"StorageFull", "AccountQuotaExceeded", "QuotaExceeded", "DiskFull", "BlockCountExceedsLimit"})
TAKEN = frozenset({"BlobAlreadyExists", "ConditionNotMet", "TargetConditionNotMet"})
LOCKED = frozenset({"BlobImmutableDueToPolicy", "BlobImmutableDueToLegalHold"})
DENIED = frozenset(
    {"AuthorizationFailure", "AuthorizationPermissionMismatch", "AuthorizationResourceTypeMismatch"}
    | {"AuthorizationServiceMismatch", "InsufficientAccountPermissions", "UnauthorizedBlobOverwrite", "NoAccess"}
)
# what was answered, and what to do
_REFUSALS = {
    "ContainerNotFound": (
        "there is no such container",
        "Check azure_container and the account; or make the container, or let create_container do it.",
    ),
    "ContainerDisabled": ("the container is disabled", "See the page of the account in the portal of Azure."),
    "AccountIsDisabled": ("the account is disabled", "See the page of the account in the portal of Azure."),
    "AuthorizationSourceIPMismatch": (
        "requests from the address of this machine are refused",
        "Add it to the firewall of the account, or make a signature that allows it.",
    ),
    "AuthorizationProtocolMismatch": ("it needs another protocol", "Use an endpoint with https."),
    "KeyBasedAuthenticationNotPermitted": (
        "the account permits no login by its key",
        "Use a managed identity, or a signature made with a login of Entra ID.",
    ),
    "BlobArchived": (
        "the file is in the Archive tier, which answers only after hours",
        "Move it to another tier in the portal, and take the rule that archives it away.",
    ),
    "BlobBeingRehydrated": ("the file is on its way out of the Archive tier", "Try again in some hours."),
    "SnapshotsPresent": ("it has snapshots, which somebody made", "Delete its snapshots in the portal first."),
    "LeaseIdMissing": ("another program holds a lease on it", "End the lease (portal: Break lease)."),
    "BlobTierInadequateForContentLength": ("the tier does not take so large a file", "Choose another access_tier."),
    "InvalidBlobTier": ("the access tier is not known there", "Choose another access_tier."),
    "AccessTierNotSupportedForBlobType": ("the account has no access tiers", "Leave access_tier blank."),
    "FeatureNotSupportedForAccount": (
        "the account does not have what the options ask for",
        "Leave access_tier, default_tags and the options of locks blank, one after the other.",
    ),
    "ConditionHeadersNotSupported": ("the store knows no conditions", "Use one that does: nothing is overwritten."),
}


class AzureRefused(Exception):  # noqa: N818 - named for what happened
    """The store answered with an error; `code` is its name, or the HTTP status as text.

    `right` is the letter of the right that the request needed.
    """

    def __init__(self, code: str, status: int, message: str, headers: Mapping[str, str], right: str) -> None:
        super().__init__(f"{code} {message}")
        self.code, self.status, self.message = code, status, message
        self.headers, self.right = headers, right

    @property
    def is_missing(self) -> bool:
        return self.code in {"BlobNotFound", "ResourceNotFound"}

    @property
    def is_no_container(self) -> bool:
        return self.code == "ContainerNotFound"

    @property
    def is_denied(self) -> bool:
        return self.status in {401, 403}


def explain(refused: AzureRefused, action: str, where: str, account: Account) -> DestinationError:
    text = f"Cannot {action} at {where}"
    code = refused.code
    if code in DAMAGED:
        return VerificationFailed(
            f"{text}: what arrived there is not what was sent ({code}).",
            "Something changes the data on its way: check the network and the proxies between.",
        )
    if code in FULL or refused.status == 507:
        return DestinationFull(
            f"{text}: the store has no room left ({code}).",
            "Free some space there, raise the quota, or keep backups for fewer days.",
        )
    if code in LOCKED:
        reason = "by a legal hold" if code == "BlobImmutableDueToLegalHold" else "by an immutability policy"
        return Locked(f"{text}: it is locked {reason}.", "It can be deleted when the lock has ended.")
    if code in TAKEN and refused.right == "r":
        return DestinationUnavailable(f"{text}: it changed while it was read.", "See which other program writes there.")
    if code in TAKEN:
        return NameTaken(f"{text}: the name is in use.", "Nothing is overwritten.")
    if code in PASSING or refused.status in {408, 429, 500, 502, 503, 504}:
        return ConnectionLost(
            f"{text}: the store is busy or has a fault ({code}).",
            "The next try may succeed.",
            retry_after=retry_after(refused.headers.get("retry-after", "")),
        )
    if 300 <= refused.status < 400:
        return DestinationUnavailable(
            f"{text}: it sends on to another address, which is not followed with a login ({code}).",
            "Give the address at which the store answers itself as endpoint_url.",
        )
    if code in _REFUSALS:
        reason, hint = _REFUSALS[code]
        return DestinationUnavailable(f"{text}: {reason}.", hint)
    if refused.is_denied:
        reason, hint = _denied(refused, account)
        return DestinationUnavailable(f"{text}: {reason}.", hint)
    return DestinationUnavailable(
        f"{text}: the store refuses it ({code}).", "See the documentation of Azure Blob Storage for this error."
    )


def _denied(refused: AzureRefused, account: Account) -> tuple[str, str]:
    """Return why the store may have denied a request, and what to do: its answer tells strangers little."""
    right = RIGHTS.get(refused.right, refused.right)
    if skew := _skew(refused.headers):
        return skew, "Set the clock of this machine by NTP."
    if account.signature:
        reason, hint = account.signature_problem(refused.right)
        if reason:
            return reason, hint
        if refused.code in DENIED:
            return f"access is denied ({refused.code})", f"Make a signature with the right to {right}."
        return f"the store does not accept the shared access signature ({refused.code})", (
            f"Make a new one and enter it as {account.option}; it ends with the key or the policy it was made with."
        )
    if account.key:
        if refused.code in DENIED:
            hint = f"Enter the key again as {account.option}; see the firewall of the account too."
            return f"access is denied ({refused.code})", hint
        return "the store does not accept the account key", f"Enter the key again as {account.option}."
    return f"access is denied to the managed identity ({refused.code})", (
        f"Give it the role 'Storage Blob Data Contributor' on the container; it needs the right to {right}."
    )


def _skew(headers: Mapping[str, str]) -> str:
    """Name the difference of the clocks where it is more than the store accepts; else nothing."""
    try:
        theirs: datetime = parsedate_to_datetime(headers["date"])
    except (KeyError, ValueError):
        return ""
    if theirs.tzinfo is None:
        theirs = theirs.replace(tzinfo=UTC)
    seconds = round((timezone.now() - theirs).total_seconds())
    if abs(seconds) <= CLOCK_SECONDS:
        return ""
    side = "ahead of" if seconds > 0 else "behind"
    return f"the clock of this machine is {human_duration(abs(seconds))} {side} that of the store"
