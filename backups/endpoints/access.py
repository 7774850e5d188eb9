"""Who may ask: allowed addresses get the status of the site, and whoever has the token gets everything."""

import hashlib
import hmac
import ipaddress
import logging
from enum import Enum

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from backups.lib import audit

SCHEME = "bearer"


class Access(Enum):
    DETAILS = "details"
    STATUS = "status"
    WRONG_TOKEN = "wrong token"  # noqa: S105 - what happened, not a token
    NONE = "none"


def access_of(request: HttpRequest) -> Access:
    """Return what the sender of `request` may see. A wrong token is refused from an allowed address too."""
    header = request.META.get("HTTP_AUTHORIZATION", "")
    if header:
        scheme, _, token = header.partition(" ")
        if scheme.lower() == SCHEME and _is_token(token.strip()):
            return Access.DETAILS
        audit.log("monitoring.refused", logging.WARNING, path=request.path, address=request.META.get("REMOTE_ADDR", ""))
        return Access.WRONG_TOKEN
    return Access.STATUS if _is_allowed(request) else Access.NONE


def refusal(access: Access) -> HttpResponse:
    """Return the answer for a sender with less `access` than was needed."""
    # the same words for a wrong token and for a site that has none
    text = "Send the header `Authorization: Bearer TOKEN` with the BACKUP_MONITORING_TOKEN of this site.\n"
    if access is Access.WRONG_TOKEN:
        return HttpResponse(text, status=401, content_type="text/plain", headers={"WWW-Authenticate": "Bearer"})
    return HttpResponse(text, status=403, content_type="text/plain")


def _is_token(given: str) -> bool:
    known: str = settings.BACKUP_MONITORING_TOKEN
    # digests have one length: the time says nothing about that of the token
    digests = [hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest() for text in (given, known)]
    return hmac.compare_digest(*digests) and bool(known)


def _is_allowed(request: HttpRequest) -> bool:
    """True when the other side of the connection, and the client that a proxy there names, are allowed.

    Of what is forwarded only the last address is the proxy's word, all before it may be made up by the client. A proxy
    that forwards no address would make every client one of its own host: docs/monitoring.md.
    """
    forwarded = request.META.get("HTTP_X_FORWARDED_FOR", "")
    hops = [request.META.get("REMOTE_ADDR", ""), *([forwarded.rpartition(",")[2]] if forwarded else [])]
    # in another form, it is not known who asks
    return "HTTP_FORWARDED" not in request.META and all(map(_is_in_networks, hops))


def _is_in_networks(text: str) -> bool:
    try:
        address = ipaddress.ip_address(text.strip())
    except ValueError:
        return False
    # how a socket for both protocols writes an IPv4 address
    address = getattr(address, "ipv4_mapped", None) or address
    return any(address in network for network in settings.BACKUP_MONITORING_ADDRESSES)
