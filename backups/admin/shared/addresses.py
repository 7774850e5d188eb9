"""Addresses of the many rows of a page."""

from collections.abc import Callable
from urllib.parse import quote

from django.urls import reverse

# what `reverse` leaves as it is in a part of a path
PLAIN = "!$&'()*+,;=~:@"
_PLACE = "0-place-0"


def addresses(view: str) -> Callable[[str], str]:
    """Return what makes the address of a page out of the one argument of `view`, which is looked up once.

    `reverse` takes as long for each row as what the row shows. Not to be kept longer than a request: the path below
    which a proxy serves the site is in it.
    """
    before, _, after = reverse(view, args=[_PLACE]).partition(_PLACE)
    return lambda argument: f"{before}{quote(argument, safe=PLAIN)}{after}"
