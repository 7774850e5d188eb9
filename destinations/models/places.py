"""Whether a destination has a place of its own."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from destinations.backends import Destination
from destinations.exceptions import DestinationConfigError

if TYPE_CHECKING:
    from destinations.models.destination import BackupDestination


def place_problem(here: Destination, others: "Iterable[BackupDestination]", *, moved: bool) -> str:
    """Return which of the `others`, of the same type, is at the place of `here` or overlaps it; "" when none does.

    One that was saved by an earlier version may lie in another: only one that is new or `moved` is refused for that.
    """
    mine, mine_really = here.canonical_place(), here.real_place()
    for other in others:
        try:
            there = other.place()
        except DestinationConfigError:
            # reported by the system check of the database, and by every use
            continue
        theirs = there.canonical_place()
        # two destinations in one place would look like two copies and be one
        if theirs == mine:
            return f"Destination {other.name!r} already stores at {there.location()}. Choose another place."
        theirs_really = there.real_place()
        if moved and theirs_really == mine_really:
            return (
                f"Destination {other.name!r} already stores at {there.location()}, and a mount shows that folder at"
                f" {here.location()}. Choose another place."
            )
        for own, its in ((mine, theirs), (mine_really, theirs_really)):
            if moved and its.overlaps(own):
                inner = "it lies in this place" if len(its.folder) > len(own.folder) else "this place lies in it"
                return (
                    f"Destination {other.name!r} stores at {there.location()}, and {inner}: each would find the"
                    " archives of the other. Choose a place beside it."
                )
    return ""
