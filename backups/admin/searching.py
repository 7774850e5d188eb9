"""What a search lists of a long history: the newest runs that match, found without reading all of them."""

from typing import Any

from django.db.models import QuerySet

# with 500,000 rows "backup" matches every one of them, and nobody turns so many pages
MOST_LISTED = 500
# a word that matches often is found among so many newest rows
RECENT = 20_000
# all matches of a rare one are read, then put in order: an index of dates would be walked from end to end for it
RARE = 5_000
NEWEST_FIRST = ("-created_at", "-pk")


def newest_ids(found: QuerySet[Any]) -> list[str]:
    """Return the ids of the newest `MOST_LISTED` of `found`, the newest first."""
    newest = found.order_by(*NEWEST_FIRST)
    moments = found.model._default_manager.order_by("-created_at").values_list("created_at", flat=True)
    if edge := moments[RECENT : RECENT + 1].first():
        ids = _ids(newest.filter(created_at__gte=edge))
        if len(ids) == MOST_LISTED:
            return ids
        some = list(found.order_by().values_list("created_at", "pk")[: RARE + 1])
        if len(some) <= RARE:
            return [pk for _, pk in sorted(some, reverse=True)[:MOST_LISTED]]
    return _ids(newest)


def _ids(found: QuerySet[Any]) -> list[str]:
    return list(found.values_list("pk", flat=True)[:MOST_LISTED])
