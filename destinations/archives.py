"""How many archives lie at a destination. Other apps record them, and say here how many they know of."""

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from destinations.models import BackupDestination

Counter = Callable[["BackupDestination"], int]
_counters: list[Counter] = []


def add_counter(counter: Counter) -> None:
    if counter not in _counters:
        _counters.append(counter)


def archives_at(destination: "BackupDestination") -> int:
    """Return how many archives are recorded there and not known to be gone."""
    return sum(counter(destination) for counter in _counters)
