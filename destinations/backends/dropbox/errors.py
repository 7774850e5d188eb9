"""What the SDK of Dropbox raises, as sentences for an operator. Imports it: load it by the extra of the type."""

from typing import Any

from dropbox.exceptions import (
    ApiError,
    AuthError,
    BadInputError,
    DropboxException,
    HttpError,
    InternalServerError,
    RateLimitError,
)
from stone.backends.python_rsrc.stone_validators import ValidationError

from destinations.exceptions import (
    ConnectionLost,
    DestinationError,
    DestinationFull,
    DestinationUnavailable,
    NameTaken,
    NotFound,
    VerificationFailed,
)

# where Dropbox says to come back later and not when
BACKOFF_SECONDS = 5.0
_LOGINS = {
    "expired_access_token": (
        "the access token has expired",
        "Enter a refresh token with app_key in its place: it does not expire.",
    ),
    "invalid_access_token": (
        "the token is not accepted",
        "Enter the token again, with the app key and secret that it was given out for; it may have been revoked.",
    ),
    "user_suspended": ("the account is suspended", "See the account at dropbox.com."),
}


def tags(union: Any) -> list[str]:
    """Return `path/conflict/file` of nested unions as a list."""
    found = []
    while (tag := getattr(union, "_tag", None)) is not None:
        found.append(str(tag))
        union = getattr(union, "_value", None)
        # UploadWriteFailed is a structure, with the union as its reason
        union = getattr(union, "reason", union)
    return found


def explain(error: Exception, action: str, where: str) -> DestinationError | None:
    """Return the error an operator reads; None for one that is not the SDK's."""
    text = f"Cannot {action} at {where}"
    if isinstance(error, ApiError):
        return _answer(tags(error.error), text)
    if isinstance(error, RateLimitError):
        wait = float(BACKOFF_SECONDS if error.backoff is None else error.backoff)
        return ConnectionLost(f"{text}: Dropbox limits the rate of requests.", "It is tried again later.", wait)
    if isinstance(error, InternalServerError):
        return ConnectionLost(
            f"{text}: Dropbox is busy or has a fault ({error.status_code}).",
            "The next try may succeed.",
            # as the session sets it
            getattr(error, "backoff", 0.0),
        )
    if isinstance(error, AuthError):
        found = tags(error.error)
        if "missing_scope" in found:
            scope = getattr(error.error.get_missing_scope(), "required_scope", "")
            return DestinationUnavailable(
                f"{text}: the token has no right {scope}.",
                "Tick the scope in the console of the app, and make a new token: old ones do not get it.",
            )
        reason, hint = _LOGINS.get(found[0] if found else "", ("the login is refused", "Make a new token."))
        return DestinationUnavailable(f"{text}: {reason}.", hint)
    if isinstance(error, BadInputError):
        # its text quotes the request
        return DestinationUnavailable(
            f"{text}: Dropbox does not understand the request.",
            "Check app_key and app_secret, and that the installed package is the one of requirements-dropbox.txt.",
        )
    if isinstance(error, HttpError) and 300 <= error.status_code < 400:
        return DestinationUnavailable(
            f"{text}: it sends on to another address, which is not followed with a login ({error.status_code}).",
            "See whether something else answers on the way to Dropbox.",
        )
    if isinstance(error, DropboxException):
        return DestinationUnavailable(
            f"{text}: Dropbox refuses it ({type(error).__name__}).", "See status.dropbox.com."
        )
    # an answer without the headers or the JSON of the API; the SDK asserts its kind
    no_answer = isinstance(error, AssertionError | ValueError | RecursionError | ValidationError)
    if no_answer or (isinstance(error, KeyError) and error.args == ("dropbox-api-result",)):
        return DestinationUnavailable(
            f"{text}: what answers there is not Dropbox.", "See whether something else answers on the way there."
        )
    return None


def _answer(found: list[str], text: str) -> DestinationError:
    if "insufficient_space" in found or "payload_too_large" in found:
        return DestinationFull(
            f"{text}: the account has no room left.", "Free some space there, or keep backups for fewer days."
        )
    if "conflict" in found:
        return NameTaken(f"{text}: the name is in use.", "Nothing is overwritten.")
    if "content_hash_mismatch" in found:
        return VerificationFailed(
            f"{text}: what arrived there is not what was sent.",
            "Something changes the data on its way: check the network and the proxies between.",
        )
    if "too_many_write_operations" in found:
        return ConnectionLost(f"{text}: other programs write there at this moment.", "The next try may succeed.")
    if "no_write_permission" in found or "team_folder" in found:
        return DestinationUnavailable(
            f"{text}: the account may not write there.", "Give it the right, or another folder."
        )
    if "restricted_content" in found:
        return DestinationUnavailable(f"{text}: Dropbox gives the file to nobody.", "See the account at dropbox.com.")
    # of a file or of an upload session
    if "not_found" in found:
        return NotFound(f"{text}: it is not there.", "See what is listed there.")
    return DestinationUnavailable(f"{text}: Dropbox refuses it ({'/'.join(found)}).", "See the account at dropbox.com.")
