"""What a search lists of a long history: the newest runs that match, found without reading all of them."""

from datetime import datetime
from typing import Any

from django.db.models import QuerySet

# with 500,000 rows "backup" matches every one of them, and nobody turns so many pages
MOST_LISTED = 500
# a word that matches often is found among so many newest rows
RECENT = 10_000
# all matches of a rare one are read, then put in order: an index of dates would be walked from end to end for it
RARE = 5_000


def newest_of(runs: QuerySet[Any], found: QuerySet[Any]) -> QuerySet[Any]:
    """Return the newest `MOST_LISTED` of `runs` that are among `found`."""
    pairs = _newest(found)
    if not pairs:
        return runs.none()
    # the dates say nothing new, but where to look: the earliest one of some ids is else searched from the very first
    return runs.filter(pk__in=[pk for _, pk in pairs], created_at__range=(pairs[-1][0], pairs[0][0]))


def _newest(found: QuerySet[Any]) -> list[tuple[datetime, str]]:
    """Return the date and the id of each, the newest first."""
    newest = found.order_by("-created_at", "-pk").values_list("created_at", "pk")
    moments = found.model._default_manager.order_by("-created_at").values_list("created_at", flat=True)
    if edge := moments[RECENT : RECENT + 1].first():
        recent = list(newest.filter(created_at__gte=edge)[:MOST_LISTED])
        if len(recent) == MOST_LISTED:
            return recent
        some = list(newest.order_by()[: RARE + 1])
        if len(some) <= RARE:
            return sorted(some, reverse=True)[:MOST_LISTED]
    return list(newest[:MOST_LISTED])
