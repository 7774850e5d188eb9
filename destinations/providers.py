"""What other apps add about a destination: how many archives they have recorded there, and warnings about it."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from destinations.models import BackupDestination

# registered by the app that records archives: this one imports nothing of it
ArchiveCounter = Callable[["BackupDestination"], int]
WarningProvider = Callable[["BackupDestination"], Iterable[str]]

# says what of other apps still needs it, such as "2 schedules"
UseProvider = Callable[["BackupDestination"], Iterable[str]]

_use_providers: list[UseProvider] = []
_archive_counters: list[ArchiveCounter] = []
_warning_providers: list[WarningProvider] = []


def add_archive_counter(counter: ArchiveCounter) -> None:
    # `ready` of an app may run more than once in a test, and an archive must not be counted twice
    if counter not in _archive_counters:
        _archive_counters.append(counter)


def archives_at(destination: "BackupDestination") -> int:
    """Return how many archives are recorded there and not marked as missing."""
    return sum(counter(destination) for counter in _archive_counters)


def add_use_provider(provider: UseProvider) -> None:
    if provider not in _use_providers:
        _use_providers.append(provider)


def uses_of(destination: "BackupDestination") -> list[str]:
    """Return what still needs `destination`, beside the history of backups: it is not deleted meanwhile."""
    return [use for provider in _use_providers for use in provider(destination)]


def add_warning_provider(provider: WarningProvider) -> None:
    """Call `provider` whenever a destination is added, changed, shown or tested; it returns whole sentences."""
    _warning_providers.append(provider)


def warnings_about(destination: "BackupDestination") -> list[str]:
    """Return the warnings of the type and those of the providers."""
    # two of them may meet the same trouble
    found = [warning for provider in _warning_providers for warning in provider(destination)]
    return list(dict.fromkeys([*destination.type_warnings(), *found]))
